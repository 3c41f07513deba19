// Collectors of prometheus.exporter.unix that ask other programs: time servers, supervisord, runit,
// the system bus; and the kernel's counters.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <array>
#include <catch2/catch.hpp>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <string>
#include <thread>

#include "agent/base/strings.h"
#include "agent/exporter/unix/parsers.h"
#include "agent/exporter/unix/perf_events.h"
#include "agent/io/socket.h"
#include "agent/wire/exposition.h"
#include "tests/support/component_box.h"
#include "tests/support/scripted_server.h"

namespace agent::exporter {

component::Declaration prometheus_exporter_unix();

namespace {

using unix_host::Families;
using unix_host::NtpAnswer;
using unix_host::parse_ntp;

std::string text(const std::vector<model::MetricFamily>& families) {
  std::string out;
  for (const auto& family : families) {
    if (family.name == "node_scrape_collector_duration_seconds" ||
        family.name == "node_exporter_build_info")
      continue;
    for (const auto& point : family.points)
      out += family.name + (point.labels.empty() ? "" : model::labels_text(point.labels)) + " " +
             format_number(point.value) + "\n";
  }
  return out;
}
std::string text(Families families) { return text(std::move(families).take()); }

// One collector with its block, asked once.
struct Exporter {
  explicit Exporter(std::string name) : collector(std::move(name)) {}
  std::string configure(lang::Body block) {
    return component.configure(
        body_of({{"set_collectors", string_list({collector})}}, {{collector, std::move(block)}}));
  }
  std::string page(std::stop_token stop = {}) {
    const auto families = box.collectors.find("prometheus.exporter.unix.x")->collect(stop);
    return families ? text(*families) : families.error().message;
  }
  std::string failure() const {
    return "node_scrape_collector_success{collector=\"" + collector + "\"} 0\n";
  }
  std::string collector;
  ComponentBox box{"prometheus.exporter.unix.x"};
  RunningComponent component{box, prometheus_exporter_unix()};
};

bool has(const std::string& page, const std::string& line) {
  return page.find(line + "\n") != std::string::npos;
}

constexpr std::uint64_t kFrom1900 = 2'208'988'800;

void put(std::string& bytes, std::size_t at, std::uint64_t value, std::size_t size) {
  for (std::size_t i = 0; i < size; ++i)
    bytes[at + i] = static_cast<char>(value >> (8 * (size - 1 - i)) & 0xff);
}

// A server's answer at these whole seconds.
std::string answer(std::uint64_t nonce, std::uint64_t reference, std::uint64_t received,
                   std::uint64_t sent) {
  std::string out(48, '\0');
  out[0] = static_cast<char>(4 << 3 | 4);
  out[1] = 2;                // stratum
  put(out, 4, 1U << 15, 4);  // half a second of root delay
  put(out, 8, 1U << 14, 4);  // a quarter of dispersion
  put(out, 16, (reference + kFrom1900) << 32, 8);
  put(out, 24, nonce, 8);
  put(out, 32, (received + kFrom1900) << 32, 8);
  put(out, 40, (sent + kFrom1900) << 32, 8);
  return out;
}

// Answers one question with what `reply` makes of it.
class UdpServer {
 public:
  explicit UdpServer(std::function<std::string(const std::string&)> reply)
      : socket_(io::listen_on("127.0.0.1:0", io::Transport::kUdp).value()),
        thread_([this, reply](const std::stop_token& stop) {
          while (!stop.stop_requested()) {
            pollfd wait{socket_.get(), POLLIN, 0};
            if (::poll(&wait, 1, 20) <= 0) continue;
            std::array<char, 256> bytes{};
            sockaddr_storage from{};
            socklen_t length = sizeof from;
            const ssize_t got = ::recvfrom(socket_.get(), bytes.data(), bytes.size(), 0,
                                           reinterpret_cast<sockaddr*>(&from), &length);
            if (got < 0) continue;
            const std::string said = reply({bytes.data(), static_cast<std::size_t>(got)});
            if (said.empty()) continue;
            ::sendto(socket_.get(), said.data(), said.size(), 0,
                     reinterpret_cast<const sockaddr*>(&from), length);
          }
        }) {}
  std::string address() const { return io::local_endpoint(socket_.get()); }

 private:
  FileDescriptor socket_;
  std::jthread thread_;
};

std::uint64_t nonce_of(const std::string& question) {
  std::uint64_t out = 0;
  for (std::size_t i = 40; i < 48; ++i) out = out << 8 | static_cast<unsigned char>(question[i]);
  return out;
}

lang::Body time_server(const std::string& address) {
  return body_of({{"server", lang::Value(address)}, {"server_is_local", lang::Value(true)}});
}

}  // namespace

TEST_CASE("unix: what a time server answers") {
  constexpr std::int64_t kSecond = 1'000'000'000;
  constexpr std::int64_t kNow = 1'700'000'000;
  // Sent at 0 s, received there at 3 s, sent back at 4 s, received at 5 s.
  const auto parsed =
      parse_ntp(answer(7, kNow - 100, kNow + 3, kNow + 4), 7, kNow * kSecond, (kNow + 5) * kSecond);
  REQUIRE(parsed);
  CHECK(parsed->rtt == 4);
  CHECK(parsed->offset == 1);
  CHECK(parsed->stratum == 2);
  CHECK(parsed->root_delay == 0.5);
  CHECK(parsed->root_dispersion == 0.25);
  CHECK(parsed->reference == kNow - 100);
  CHECK(*parsed->age == 104);
  const auto refused = [&](std::string bytes) {
    const auto result = parse_ntp(bytes, 7, kNow * kSecond, (kNow + 5) * kSecond);
    return result ? std::string("fine") : result.error().message;
  };
  const std::string good = answer(7, kNow - 100, kNow + 3, kNow + 4);
  CHECK(refused(good) == "fine");
  CHECK(refused(good.substr(0, 47)) == "the answer is too short");
  CHECK(refused("\x23" + good.substr(1)) == "not the answer of a server");
  CHECK(refused(answer(8, kNow, kNow + 3, kNow + 4)) == "the answer is not to this question");
  CHECK(refused(answer(7, kNow, kNow + 4, kNow + 3)) == "the server's clock goes backwards");
  std::string timeless = good;
  put(timeless, 40, 0, 8);
  CHECK(refused(timeless) == "the server tells no time");
}

TEST_CASE("unix: which time server is sane") {
  NtpAnswer good;
  good.stratum = 2;
  good.rtt = 0.01;
  good.age = 100;
  const auto sane = [](NtpAnswer answer) { return unix_host::ntp_is_sane(answer, 3.46608, 0.001); };
  CHECK(sane(good));
  const auto with = [&](auto change) {
    NtpAnswer other = good;
    change(other);
    return sane(other);
  };
  CHECK_FALSE(with([](NtpAnswer& a) { a.leap = 3; }));
  CHECK_FALSE(with([](NtpAnswer& a) { a.stratum = 0; }));
  CHECK_FALSE(with([](NtpAnswer& a) { a.stratum = 16; }));
  CHECK_FALSE(with([](NtpAnswer& a) { a.age.reset(); }));
  CHECK_FALSE(with([](NtpAnswer& a) { a.age = -1; }));
  CHECK_FALSE(with([](NtpAnswer& a) { a.age = 200'000; }));
  CHECK_FALSE(with([](NtpAnswer& a) { a.root_dispersion = 4; }));
  CHECK_FALSE(with([](NtpAnswer& a) { a.offset = 0.007; }));
  CHECK_FALSE(with([](NtpAnswer& a) { a.offset = -0.007; }));
  CHECK(with([](NtpAnswer& a) { a.offset = 0.0055; }));
}

TEST_CASE("unix: ntp asks a server, and takes no answer but the one to its question") {
  Exporter exporter("ntp");
  const auto now = [] { return static_cast<std::uint64_t>(std::time(nullptr)); };
  UdpServer honest([&](const std::string& question) {
    CHECK(question.size() == 48);
    CHECK(question[0] == (3 << 3 | 3));
    return answer(nonce_of(question), now() - 60, now(), now());
  });
  lang::Body block = time_server(honest.address());
  block.attributes.push_back(attribute("protocol_version", lang::Value(std::int64_t{3})));
  REQUIRE(exporter.configure(std::move(block)).empty());
  const std::string page = exporter.page();
  CHECK(has(page, "node_ntp_stratum 2"));
  CHECK(has(page, "node_ntp_root_delay_seconds 0.5"));
  CHECK(has(page, "node_scrape_collector_success{collector=\"ntp\"} 1"));
  CHECK(page.find("node_ntp_sanity ") != std::string::npos);

  UdpServer liar([&](const std::string&) { return answer(1, now(), now(), now()); });
  REQUIRE(exporter.configure(time_server(liar.address())).empty());
  CHECK(exporter.page() == exporter.failure());
}

TEST_CASE("unix: a time server that says nothing costs the series of ntp") {
  Exporter exporter("ntp");
  UdpServer silent([](const std::string&) { return std::string(); });
  REQUIRE(exporter.configure(time_server(silent.address())).empty());
  CHECK(exporter.page() == exporter.failure());
}

TEST_CASE("unix: ntp asks this host alone, unless it is told otherwise") {
  Exporter exporter("ntp");
  const auto said = [&](const char* server) {
    return exporter.configure(body_of({{"server", lang::Value(std::string(server))}}));
  };
  CHECK(said("127.0.0.9").empty());
  CHECK(said("::1").empty());
  for (const char* other : {"192.0.2.1", "localhost", "ntp.example.net", ""})
    CHECK(said(other).find("ntp: server must be an address of this host") != std::string::npos);
  CHECK(exporter.configure(body_of({{"protocol_version", lang::Value(std::int64_t{5})}}))
            .find("protocol_version is 2, 3 or 4") != std::string::npos);
  // What does not run is not looked at.
  CHECK(exporter.component
            .configure(body_of({{"set_collectors", string_list({"time"})}},
                               {{"ntp", body_of({{"server", lang::Value(std::string("x"))}})}}))
            .empty());
}

TEST_CASE("unix: supervisord's processes, over TCP and over a unix socket") {
  const std::string xml =
      "<?xml version='1.0'?>\n<methodResponse>\n<params>\n<param>\n<value><array><data>\n"
      "<value><struct>\n<member>\n<name>name</name>\n<value><string>a &amp; b</string></value>\n"
      "</member>\n<member><name>group</name><value>web</value></member>\n"
      "<member><name>state</name><value><int>20</int></value></member>\n"
      "<member><name>start</name><value><int>1700000000</int></value></member>\n"
      "<member><name>spawnerr</name><value><string/></value></member>\n"
      "<member><name>exitstatus</name><value><i4>0x</i4></value></member>\n</struct></value>\n"
      "<value><struct><member><name>name</name><value>dead</value></member>"
      "<member><name>group</name><value>dead</value></member>"
      "<member><name>state</name><value><int>100</int></value></member>"
      "<member><name>start</name><value><int>5</int></value></member>"
      "<member><name>exitstatus</name><value><int>2</int></value></member></struct></value>\n"
      "</data></array></value></param></params></methodResponse>";
  const auto script = [&](const ScriptedServer::Request& request, std::size_t) {
    CHECK(request.method == "POST");
    CHECK(request.target == "/RPC2");
    CHECK(request.body.find("supervisor.getAllProcessInfo") != std::string::npos);
    ScriptedServer::Answer answer;
    answer.status = 200;
    answer.body = xml;
    return answer;
  };
  const std::string wanted =
      "node_scrape_collector_success{collector=\"supervisord\"} 1\n"
      "node_supervisord_exit_status{group=\"dead\", name=\"dead\"} 2\n"
      "node_supervisord_start_time_seconds{group=\"web\", name=\"a & b\"} 1.7e+09\n"
      "node_supervisord_state{group=\"web\", name=\"a & b\"} 20\n"
      "node_supervisord_state{group=\"dead\", name=\"dead\"} 100\n"
      "node_supervisord_up{group=\"web\", name=\"a & b\"} 1\n"
      "node_supervisord_up{group=\"dead\", name=\"dead\"} 0\n";
  Exporter exporter("supervisord");
  ScriptedServer tcp(script);
  REQUIRE(exporter.configure(body_of({{"url", lang::Value(tcp.url("/RPC2"))}})).empty());
  std::string page = exporter.page();
  // A number that is none costs its own series.
  CHECK(page == wanted);
  const std::string path = (exporter.box.dir / "supervisor.sock").string();
  ScriptedServer local(script, path);
  REQUIRE(exporter.configure(body_of({{"url", lang::Value("unix://" + path)}})).empty());
  CHECK(exporter.page() == wanted);
}

TEST_CASE("unix: answers that are none of supervisord's") {
  const auto said = [](std::string_view xml) {
    Families out;
    const auto parsed = unix_host::parse_supervisord(xml, out);
    return parsed ? text(std::move(out)) : parsed.error().message;
  };
  CHECK(said("") == "it is no answer of XML-RPC");
  CHECK(said("<html></html>") == "it is no answer of XML-RPC");
  CHECK(said("<methodResponse>") == "<methodResponse> does not end");
  CHECK(said("<methodResponse></params>") == "</params> ends nothing");
  CHECK(said("<methodResponse><a") == "it ends inside a tag");
  CHECK(said("<methodResponse><fault><value><struct><member><name>faultString</name>"
             "<value><string>UNKNOWN_METHOD</string></value></member></struct></value></fault>"
             "</methodResponse>") == "it says: UNKNOWN_METHOD");
  std::string deep = "<methodResponse>";
  for (int i = 0; i < 100; ++i) deep += "<a>";
  CHECK(said(deep) == "it is too deep");
}

TEST_CASE("unix: services of runit") {
  Exporter exporter("runit");
  const auto folder = exporter.box.dir / "service";
  const auto write = [&](const std::string& name, const std::string& bytes) {
    std::filesystem::create_directories(folder / name / "supervise");
    std::ofstream(folder / name / "supervise/status") << bytes;
  };
  std::string status("\x40\0\0\0\x65\x53\xf1\x0a\0\0\0\0\x2a\0\0\0\0u\0\1", 20);  // 1700000000
  write("web", status);
  std::ofstream(folder / "web/down") << "";
  status[17] = 'd';
  status[19] = '\0';
  write("idle", status);
  std::filesystem::create_directories(folder / "not-yet");
  REQUIRE(exporter.configure(body_of({{"service_dir", lang::Value(folder.string())}})).empty());
  CHECK(exporter.page() ==
        "node_scrape_collector_success{collector=\"runit\"} 1\n"
        "node_service_desired_state{service=\"idle\", supervisor=\"runit\"} 0\n"
        "node_service_desired_state{service=\"web\", supervisor=\"runit\"} 1\n"
        "node_service_normal_state{service=\"idle\", supervisor=\"runit\"} 1\n"
        "node_service_normal_state{service=\"web\", supervisor=\"runit\"} 0\n"
        "node_service_state{service=\"idle\", supervisor=\"runit\"} 0\n"
        "node_service_state{service=\"web\", supervisor=\"runit\"} 1\n"
        "node_service_state_last_change_timestamp_seconds{service=\"idle\", supervisor=\"runit\"} "
        "1.7e+09\n"
        "node_service_state_last_change_timestamp_seconds{service=\"web\", supervisor=\"runit\"} "
        "1.7e+09\n");
  write("broken", "short");
  CHECK(has(exporter.page(), "node_scrape_collector_success{collector=\"runit\"} 0"));
  CHECK(has(exporter.page(), "node_service_state{service=\"web\", supervisor=\"runit\"} 1"));
}

TEST_CASE("unix: a system bus that says nothing costs the series of its collectors") {
  Exporter exporter("systemd");
  const auto path = exporter.box.dir / "bus";
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  REQUIRE(path.string().size() < sizeof address.sun_path);
  path.string().copy(address.sun_path, sizeof address.sun_path - 1);
  const FileDescriptor bus(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  REQUIRE(::bind(bus.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0);
  REQUIRE(::listen(bus.get(), 5) == 0);
  REQUIRE(::setenv("DBUS_SYSTEM_BUS_ADDRESS", ("unix:path=" + path.string()).c_str(), 1) == 0);
  REQUIRE(exporter.configure({}).empty());
  CHECK(exporter.page() == exporter.failure());
  // Nor does it hold up a stop.
  std::stop_source stop;
  std::jthread stopper([&] {
    pollfd wait{bus.get(), POLLIN, 0};  // it has come
    ::poll(&wait, 1, 60'000);
    stop.request_stop();
  });
  CHECK(exporter.page(stop.get_token()) == exporter.failure());
  // Nobody is there at all.
  REQUIRE(::setenv("DBUS_SYSTEM_BUS_ADDRESS", "unix:path=/nonexistent/bus", 1) == 0);
  CHECK(exporter.page() == exporter.failure());
  REQUIRE(::unsetenv("DBUS_SYSTEM_BUS_ADDRESS") == 0);
}

TEST_CASE("unix: lists of CPUs") {
  using unix_host::parse_cpu_list;
  CHECK(parse_cpu_list("0-2,5").value() == std::vector<int>{0, 1, 2, 5});
  CHECK(parse_cpu_list("1-10:5").value() == std::vector<int>{1, 6});
  for (const char* wrong : {"", "a", "3-1", "1-", "0-4:0", "-1", "0-99999999", "0,,1"})
    CHECK_FALSE(parse_cpu_list(wrong));
}

TEST_CASE("unix: what perf cannot count is said before it runs") {
  Exporter exporter("perf");
  CHECK(exporter.configure(body_of({{"cpus", lang::Value(std::string("0-x"))}}))
            .find("is not a list of CPUs") != std::string::npos);
  CHECK(exporter.configure(body_of({{"tracepoint", string_list({"../../x"})}}))
            .find("is not subsystem:event") != std::string::npos);
  CHECK(exporter.configure(body_of({{"hardware_profilers", string_list({"CpuCycle"})}}))
            .find("did you mean CpuCycles?") != std::string::npos);
}

}  // namespace agent::exporter
