// Processes of supervisord: XML-RPC over HTTP, supervisor.getAllProcessInfo, whose answer is an
// array of structs of strings and integers (xmlrpc.com/spec.md; Supervisor's "XML-RPC API").
#include <map>

#include "agent/exporter/unix/parsers.h"
#include "agent/exporter/unix/text.h"
#include "agent/io/http_client.h"

namespace agent::exporter::unix_host {
namespace {

constexpr std::size_t kMaxDepth = 32;
constexpr Duration kPatience = std::chrono::seconds(2);

// "a &lt; b" -> "a < b".
std::string unescaped(std::string_view text) {
  std::string out;
  while (!text.empty()) {
    const std::size_t start = text.find('&');
    out.append(text.substr(0, start));
    if (start == std::string_view::npos) break;
    text.remove_prefix(start + 1);
    const std::size_t end = text.find(';');
    const std::string_view name = text.substr(0, end);
    bool known = false;
    for (const auto& [entity, character] :
         {std::pair{"lt", '<'}, std::pair{"gt", '>'}, std::pair{"amp", '&'}, std::pair{"quot", '"'},
          std::pair{"apos", '\''}})
      if (name == entity) {
        out += character;
        known = true;
      }
    if (!known) {
      out += '&';
      continue;
    }
    text.remove_prefix(end + 1);
  }
  return out;
}

// Elements and texts, as far as XML-RPC has them: attributes, comments and the head are passed
// over.
class Reader {
 public:
  using Struct = std::map<std::string, std::string>;

  Result<> read(std::string_view text) {
    while (!text.empty()) {
      const std::size_t start = text.find('<');
      if (!open_.empty()) add_text(text.substr(0, start));
      if (start == std::string_view::npos) break;
      text.remove_prefix(start);
      const bool comment = text.starts_with("<!--");
      const std::size_t end = text.find(comment ? "-->" : ">");
      if (end == std::string_view::npos) return fail(ErrorCode::kInvalid, "it ends inside a tag");
      if (!comment)
        if (auto read = tag(text.substr(1, end - 1)); !read) return read;
      text.remove_prefix(end + (comment ? 3 : 1));
    }
    if (!open_.empty()) return fail(ErrorCode::kInvalid, "<" + open_.back() + "> does not end");
    if (!seen_) return fail(ErrorCode::kInvalid, "it is no answer of XML-RPC");
    return {};
  }

  bool fault() const { return fault_; }
  const std::vector<Struct>& structs() const { return structs_; }

 private:
  Result<> tag(std::string_view inside) {
    if (inside.starts_with('?') || inside.starts_with('!')) return {};
    const bool closing = inside.starts_with('/');
    const bool empty = inside.ends_with('/');
    if (closing) inside.remove_prefix(1);
    const std::string name(inside.substr(0, inside.find_first_of(" \t\r\n/")));
    if (!closing) {
      if (open_.size() == kMaxDepth) return fail(ErrorCode::kInvalid, "it is too deep");
      open_.push_back(name);
      begin(name);
    }
    if (closing || empty) {
      if (open_.empty() || open_.back() != name)
        return fail(ErrorCode::kInvalid, "</" + name + "> ends nothing");
      end(name);
      open_.pop_back();
    }
    return {};
  }

  void begin(const std::string& name) {
    if (name == "methodResponse") seen_ = true;
    if (name == "fault") fault_ = true;
    if (name == "struct") current_.clear();
    if (name == "member") {
      name_.clear();
      value_.clear();
    }
    // Blanks around the element of a type are not the value.
    if (open_.size() > 1 && open_[open_.size() - 2] == "value") value_.clear();
  }

  void add_text(std::string_view text) {
    if (open_.back() == "name") name_ += unescaped(text);
    const bool typed = open_.size() > 1 && open_[open_.size() - 2] == "value";
    if (typed) value_ += unescaped(text);
    if (open_.back() == "value" && !trim(text).empty()) value_ = unescaped(text);
  }

  void end(const std::string& name) {
    if (name == "member") current_[name_] = value_;
    if (name == "struct") structs_.push_back(std::move(current_));
    if (name == "struct") current_.clear();
  }

  std::vector<std::string> open_;
  bool seen_ = false;
  bool fault_ = false;
  Struct current_;
  std::string name_, value_;
  std::vector<Struct> structs_;
};

}  // namespace

Result<> parse_supervisord(std::string_view xml, Families& out) {
  Reader reader;
  if (auto read = reader.read(xml); !read) return read;
  for (const Reader::Struct& one : reader.structs()) {
    const auto text = [&](const char* member) {
      const auto found = one.find(member);
      return found == one.end() ? std::string() : found->second;
    };
    if (reader.fault()) return fail(ErrorCode::kUnavailable, "it says: " + text("faultString"));
    const model::Labels labels = {{"name", text("name")}, {"group", text("group")}};
    const auto state = number(text("state"));
    if (state) {
      const bool up = *state == 10 || *state == 20 || *state == 40;  // starting, running, stopping
      out.add(model::MetricType::kGauge, "node_supervisord_state", "State of a process.", *state,
              labels);
      out.add(model::MetricType::kGauge, "node_supervisord_up", "1 when a process is there.",
              up ? 1 : 0, labels);
      const auto start = number(text("start"));
      if (up && start)
        out.add(model::MetricType::kCounter, "node_supervisord_start_time_seconds",
                "When a process was started.", *start, labels);
    }
    if (const auto status = number(text("exitstatus")))
      out.add(model::MetricType::kGauge, "node_supervisord_exit_status",
              "How a process ended last.", *status, labels);
  }
  return {};
}

Result<Collect> make_supervisord(const UnixArgs& args, const Roots&, Clock&) {
  io::HttpOptions options;
  std::string url = args.supervisord.url;
  constexpr std::string_view kUnix = "unix://";
  if (url.starts_with(kUnix)) {
    options.unix_socket = url.substr(kUnix.size());
    url = "http://unix/RPC2";
  }
  const auto client = std::make_shared<io::HttpClient>(options);
  return Collect([client, url](Families& out, const std::stop_token& stop) -> Result<> {
    constexpr std::string_view kCall =
        "<?xml version=\"1.0\"?><methodCall><methodName>supervisor.getAllProcessInfo</methodName>"
        "<params></params></methodCall>";
    io::HttpRequest request;
    request.method = "POST";
    request.url = url;
    request.headers = {{"Content-Type", "text/xml"}};
    request.body = kCall;
    request.timeout = kPatience;
    request.max_body = 4U << 20;
    const auto response = client->send(request, stop);
    if (!response) return fail(response.error());
    const std::string where = io::url_for_people(url);
    if (response->status != 200)
      return fail(ErrorCode::kUnavailable, where + ": HTTP " + std::to_string(response->status));
    auto parsed = parse_supervisord(response->body, out);
    if (!parsed) return fail(std::move(parsed.error()).within(where));
    return {};
  });
}

}  // namespace agent::exporter::unix_host
