// ipaddr and its family, as Ansible's collection ansible.utils has them, for addresses and networks
// of both versions.
#include <arpa/inet.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <functional>

#include "agent/base/strings.h"
#include "fleetctl/template/interpreter.h"
#include "fleetctl/template/runtime.h"
#include "fleetctl/value/text.h"

namespace fleetctl::template_ {
namespace {

__extension__ using Bits = unsigned __int128;

// An address with the prefix of its network; a lone address is its own network.
struct Network {
  Bits address = 0;
  int prefix = 32;
  int version = 4;
  bool with_prefix = false;

  int width() const { return version == 4 ? 32 : 128; }
  Bits all() const { return version == 4 ? Bits{0xffffffffU} : ~Bits{0}; }
  Bits host_bits() const { return lone() ? 0 : all() >> static_cast<unsigned>(prefix); }
  Bits first() const { return address & ~host_bits(); }
  Bits last() const { return address | host_bits(); }
  // Two addresses or less have neither a network's address nor a broadcast one.
  bool tiny() const { return width() - prefix < 2; }
  bool lone() const { return prefix == width(); }
};

std::optional<int> small_number(std::string_view digits, int most) {
  int number = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), number);
  if (digits.empty() || error != std::errc() || end != digits.data() + digits.size() ||
      number < 0 || number > most)
    return std::nullopt;
  return number;
}

std::optional<Network> read_address(const std::string& text) {
  Network out;
  std::array<unsigned char, 16> bytes{};
  if (inet_pton(AF_INET, text.c_str(), bytes.data()) == 1) {
    for (std::size_t i = 0; i < 4; ++i) out.address = (out.address << 8U) | bytes[i];
  } else if (inet_pton(AF_INET6, text.c_str(), bytes.data()) == 1) {
    for (const unsigned char byte : bytes) out.address = (out.address << 8U) | byte;
    out.version = 6;
    out.prefix = 128;
  } else {
    return std::nullopt;
  }
  return out;
}

std::optional<Network> read_network(const std::string& text) {
  if (text.find('\0') != std::string::npos) return std::nullopt;
  const std::size_t slash = text.find('/');
  auto out = read_address(text.substr(0, slash));
  if (!out || slash == std::string::npos) return out;
  const std::string prefix = text.substr(slash + 1);
  out->with_prefix = true;
  if (const auto bits = small_number(prefix, out->width())) {
    out->prefix = *bits;
    return out;
  }
  // 10.0.0.0/255.0.0.0
  const auto mask = read_address(prefix);
  if (!mask || mask->version != out->version) return std::nullopt;
  for (out->prefix = 0; out->prefix <= out->width(); ++out->prefix) {
    if ((out->all() & ~out->host_bits()) == mask->address) return out;
  }
  return std::nullopt;
}

std::string shown(Bits address, int version) {
  std::array<unsigned char, 16> bytes{};
  const std::size_t size = version == 4 ? 4 : 16;
  for (std::size_t i = size; i-- > 0; address >>= 8U)
    bytes[i] = static_cast<unsigned char>(address);
  std::array<char, INET6_ADDRSTRLEN> out{};
  inet_ntop(version == 4 ? AF_INET : AF_INET6, bytes.data(), out.data(), out.size());
  return out.data();
}
std::string shown(const Network& n, Bits address) { return shown(address, n.version); }
std::string with_prefix(const Network& n, Bits address) {
  return shown(n, address) + "/" + std::to_string(n.prefix);
}

std::string decimal(Bits number) {
  std::string out;
  do {
    out.insert(out.begin(), static_cast<char>('0' + static_cast<int>(number % 10)));
    number /= 10;
  } while (number != 0);
  return out;
}

bool within(const Network& n, std::string_view range) {
  const auto outer = read_network(std::string(range));
  return outer && outer->version == n.version && n.prefix >= outer->prefix &&
         n.first() >= outer->first() && n.last() <= outer->last();
}
bool is_private(const Network& n) {
  static constexpr std::array<std::string_view, 9> kRanges{
      "10.0.0.0/8",    "100.64.0.0/10", "172.16.0.0/12", "192.0.0.0/24", "192.168.0.0/16",
      "198.18.0.0/15", "fc00::/7",      "fec0::/10",     "239.0.0.0/8"};
  return std::any_of(kRanges.begin(), kRanges.end(), [&](auto r) { return within(n, r); }) ||
         within(n, "169.254.0.0/16") || within(n, "fe80::/10");
}
bool is_loopback(const Network& n) { return within(n, "127.0.0.0/8") || within(n, "::1/128"); }
bool is_multicast(const Network& n) { return within(n, "224.0.0.0/4") || within(n, "ff00::/8"); }
bool is_public(Network n) {
  n.prefix = n.width();
  const Bits below = n.all() ^ n.address;
  const bool mask = (below & (below + 1)) == 0 || (n.address & (n.address + 1)) == 0;
  return !is_multicast(n) && !is_private(n) && !is_loopback(n) && !mask;
}

std::string reverse_name(const Network& n) {
  std::string out;
  if (n.version == 4) {
    for (unsigned shift = 0; shift < 32; shift += 8)
      out += std::to_string(static_cast<unsigned>((n.address >> shift) & 0xffU)) + ".";
    return out + "in-addr.arpa.";
  }
  for (unsigned shift = 0; shift < 128; shift += 4)
    out += std::string(1, "0123456789abcdef"[static_cast<unsigned>((n.address >> shift) & 0xfU)]) +
           ".";
  return out + "ip6.arpa.";
}

Value yes(bool condition, const Value& input) { return condition ? input : Value::none(); }
Value text(std::string s) { return Value::string(std::move(s)); }

Bits first_usable(const Network& n) { return n.tiny() ? n.first() : n.first() + 1; }
Bits last_usable(const Network& n) { return n.tiny() ? n.last() : n.last() - 1; }

Outcome<Value> neighbour(const Network& n, bool next) {
  if (!n.with_prefix) return bad("Not a network address");
  const Bits other = next ? n.address + 1 : n.address - 1;
  if (n.lone() || other < first_usable(n) || other > last_usable(n)) return Value::none();
  return text(shown(n, other));
}

struct Query {
  std::string_view name;
  Outcome<Value> (*answer)(const Network& n, const Value& input);
};
// `n.address != n.first()` tells a host inside a network from the network itself.
constexpr std::array kQueries{
    Query{"",
          [](const Network& n, const Value&) -> Outcome<Value> {
            return text(n.with_prefix ? with_prefix(n, n.address) : shown(n, n.address));
          }},
    Query{"address",
          [](const Network& n, const Value&) -> Outcome<Value> {
            if (n.tiny() || n.address != n.first() || n.version == 6)
              return text(shown(n, n.address));
            return Value::none();
          }},
    Query{"address/prefix",
          [](const Network& n, const Value&) -> Outcome<Value> {
            if (!n.tiny() && (n.address == n.first() || n.address == n.last()))
              return Value::boolean(false);
            return text(with_prefix(n, n.address));
          }},
    Query{"bool",
          [](const Network&, const Value&) -> Outcome<Value> { return Value::boolean(true); }},
    Query{"broadcast",
          [](const Network& n, const Value&) -> Outcome<Value> {
            if (n.tiny()) return Value::none();
            return text(shown(n, n.last()));
          }},
    Query{"cidr",
          [](const Network& n, const Value&) -> Outcome<Value> {
            return text(with_prefix(n, n.address));
          }},
    Query{"first_usable",
          [](const Network& n, const Value&) -> Outcome<Value> {
            if (!n.with_prefix) return bad("Not a network address");
            if (n.lone()) return Value::none();
            return text(shown(n, first_usable(n)));
          }},
    Query{"host",
          [](const Network& n, const Value&) -> Outcome<Value> {
            if (n.lone() || (n.tiny() && n.version == 4) || n.address != n.first())
              return text(with_prefix(n, n.address));
            return Value::none();
          }},
    Query{"hostmask",
          [](const Network& n, const Value&) -> Outcome<Value> {
            return text(shown(n, n.host_bits()));
          }},
    Query{"int",
          [](const Network& n, const Value&) -> Outcome<Value> {
            if (n.with_prefix) return text(decimal(n.address) + "/" + std::to_string(n.prefix));
            return Value::integer_text(decimal(n.address));
          }},
    Query{"ip/prefix",
          [](const Network& n, const Value&) -> Outcome<Value> {
            if (n.lone() || (!n.tiny() && n.address == n.first())) return Value::none();
            return text(with_prefix(n, n.address));
          }},
    Query{"ip_netmask",
          [](const Network& n, const Value&) -> Outcome<Value> {
            if (n.lone() || (!n.tiny() && n.address == n.first())) return Value::none();
            return text(shown(n, n.address) + " " + shown(n, n.all() & ~n.host_bits()));
          }},
    Query{"last_usable",
          [](const Network& n, const Value&) -> Outcome<Value> {
            if (!n.with_prefix) return bad("Not a network address");
            if (n.lone()) return Value::none();
            return text(shown(n, last_usable(n)));
          }},
    Query{"link-local",
          [](const Network& n, const Value& input) -> Outcome<Value> {
            Network one = n;
            one.prefix = one.width();
            return yes(within(one, "169.254.0.0/16") || within(one, "fe80::/10"), input);
          }},
    Query{"loopback",
          [](const Network& n, const Value& input) -> Outcome<Value> {
            Network one = n;
            one.prefix = one.width();
            return yes(is_loopback(one), input);
          }},
    Query{"multicast",
          [](const Network& n, const Value& input) -> Outcome<Value> {
            return yes(is_multicast(n), input);
          }},
    Query{"net",
          [](const Network& n, const Value&) -> Outcome<Value> {
            if (n.lone() || n.address != n.first()) return Value::none();
            return text(with_prefix(n, n.first()));
          }},
    Query{"netmask",
          [](const Network& n, const Value&) -> Outcome<Value> {
            return text(shown(n, n.all() & ~n.host_bits()));
          }},
    Query{
        "network",
        [](const Network& n, const Value&) -> Outcome<Value> { return text(shown(n, n.first())); }},
    Query{"network_netmask",
          [](const Network& n, const Value&) -> Outcome<Value> {
            return text(shown(n, n.first()) + " " + shown(n, n.all() & ~n.host_bits()));
          }},
    Query{"network_wildcard",
          [](const Network& n, const Value&) -> Outcome<Value> {
            return text(shown(n, n.first()) + " " + shown(n, n.host_bits()));
          }},
    Query{"next_usable",
          [](const Network& n, const Value&) -> Outcome<Value> { return neighbour(n, true); }},
    Query{
        "prefix",
        [](const Network& n, const Value&) -> Outcome<Value> { return Value::integer(n.prefix); }},
    Query{"previous_usable",
          [](const Network& n, const Value&) -> Outcome<Value> { return neighbour(n, false); }},
    Query{"private",
          [](const Network& n, const Value& input) -> Outcome<Value> {
            return yes(is_private(n), input);
          }},
    Query{"public",
          [](const Network& n, const Value& input) -> Outcome<Value> {
            return yes(is_public(n), input);
          }},
    Query{"range_usable",
          [](const Network& n, const Value&) -> Outcome<Value> {
            if (!n.with_prefix) return bad("Not a network address");
            if (n.lone()) return Value::none();
            return text(shown(n, first_usable(n)) + "-" + shown(n, last_usable(n)));
          }},
    Query{"revdns",
          [](const Network& n, const Value&) -> Outcome<Value> { return text(reverse_name(n)); }},
    Query{"size",
          [](const Network& n, const Value&) -> Outcome<Value> {
            if (n.prefix == 0 && n.version == 6)
              return Value::integer_text("340282366920938463463374607431768211456");
            return Value::integer_text(decimal(n.host_bits() + 1));
          }},
    Query{"size_usable",
          [](const Network& n, const Value&) -> Outcome<Value> {
            if (n.lone()) return Value::integer(0);
            if (n.tiny()) return Value::integer(2);
            return Value::integer_text(decimal(n.host_bits() - 1));
          }},
    Query{"subnet",
          [](const Network& n, const Value&) -> Outcome<Value> {
            return text(with_prefix(n, n.first()));
          }},
    Query{"type",
          [](const Network& n, const Value&) -> Outcome<Value> {
            return text(n.lone() || n.address != n.first() ? "address" : "network");
          }},
    Query{"unicast",
          [](const Network& n, const Value& input) -> Outcome<Value> {
            return yes(!is_multicast(n), input);
          }},
    Query{
        "version",
        [](const Network& n, const Value&) -> Outcome<Value> { return Value::integer(n.version); }},
    Query{"wrap",
          [](const Network& n, const Value& input) -> Outcome<Value> {
            if (n.version == 4) return input;
            return text("[" + shown(n, n.address) + "]" +
                        (n.with_prefix ? "/" + std::to_string(n.prefix) : ""));
          }},
};
constexpr std::array<std::pair<std::string_view, std::string_view>, 11> kAliases{
    {{"ip", "address"},
     {"gateway", "address/prefix"},
     {"gw", "address/prefix"},
     {"host/prefix", "address/prefix"},
     {"hostnet", "address/prefix"},
     {"router", "address/prefix"},
     {"lo", "loopback"},
     {"network_id", "network"},
     {"network/prefix", "subnet"},
     {"wildcard", "hostmask"},
     {"", ""}}};

// Digits alone are the address as a number.
std::optional<Network> read_value(const Value& v, int version) {
  const std::string written = value::str(v);
  const bool digits = !written.empty() && std::all_of(written.begin(), written.end(), [](char ch) {
    return ch >= '0' && ch <= '9';
  });
  if (!digits) return v.is_string() ? read_network(written) : std::nullopt;
  if (written.size() > 39) return std::nullopt;
  Network out;
  for (const char ch : written) {
    const Bits next = out.address * 10 + static_cast<unsigned>(ch - '0');
    if (next / 10 != out.address) return std::nullopt;
    out.address = next;
  }
  if (version == 6 || out.address > 0xffffffffU) {
    out.version = 6;
    out.prefix = 128;
  }
  return out;
}

// False when `v` is no address, or none that the query is about.
Outcome<Value> ask(Call& c, const Value& v, std::string_view query, int version, int depth) {
  TEMPLATE_CHECK(c.in.require(v));
  if (v.is_sequence()) {
    if (depth > 50) return bad("the list is nested too deeply");
    std::vector<Value> out;
    for (const Value& item : v.items()) {
      TEMPLATE_CHECK(c.in.step());
      TEMPLATE_TRY(answer, ask(c, item, query, version, depth + 1));
      if (value::truthy(answer)) out.push_back(std::move(answer));
    }
    return Value::list(std::move(out));
  }
  if (v.is_bool() || !value::truthy(v)) return Value::boolean(false);
  const auto network = read_value(v, version);
  if (!network || (version != 0 && network->version != version)) return Value::boolean(false);
  // A number becomes the text of its address.
  const Value input =
      v.is_string() && v.as_string().find_first_not_of("0123456789") != std::string::npos
          ? v
          : text(shown(*network, network->address) + "/" + std::to_string(network->prefix));
  for (const auto& [alias, meant] : kAliases) {
    if (query == alias) query = meant;
  }
  for (const Query& known : kQueries) {
    if (known.name == query) return known.answer(*network, input);
  }
  if (query == "ipv4" || query == "v4") {
    if (network->version == 4) return input;
    // IPv4 inside IPv6: ::ffff:a.b.c.d and ::a.b.c.d
    const Bits upper = network->address >> 32U;
    if (upper != 0xffffU && upper != 0) return Value::boolean(false);
    return text(shown(network->address & 0xffffffffU, 4) + "/" +
                std::to_string(std::max(0, network->prefix - 96)));
  }
  if (query == "ipv6" || query == "v6") {
    if (network->version == 6) return input;
    return text(shown(network->address | (Bits{0xffffU} << 32U), 6) + "/" +
                std::to_string(network->prefix + 96));
  }
  const std::string_view digits = query.substr(query.starts_with('-') ? 1 : 0);
  if (const auto number = small_number(digits, 2'000'000'000)) {
    if (network->lone())
      return text(network->with_prefix ? with_prefix(*network, network->address)
                                       : shown(*network, network->address));
    const Bits n = static_cast<unsigned>(*number);
    const bool from_end = query.starts_with('-') && n != 0;
    if (from_end ? n - 1 > network->host_bits() : n > network->host_bits())
      return Value::boolean(false);
    return text(with_prefix(*network, from_end ? network->last() + 1 - n : network->first() + n));
  }
  if (read_network(std::string(query))) {
    return yes(within(*network, query), input);
  }
  return bad("unknown filter type: " + std::string(query));
}

Outcome<Value> ask(Call& c, int version) {
  TEMPLATE_TRY(query, c.text(0, ""));
  return ask(c, c.input, query, version, 0);
}
Outcome<Value> ipaddr(Call& c) {
  TEMPLATE_TRY(version, c.integer(1, 0));
  return ask(c, static_cast<int>(version));
}
Outcome<Value> ipv4(Call& c) { return ask(c, 4); }
Outcome<Value> ipv6(Call& c) { return ask(c, 6); }

// [2001:db8::1] for IPv6; anything else as it is.
Outcome<Value> wrapped(Call& c, const Value& v) {
  if (v.is_sequence()) return v;
  TEMPLATE_TRY(address, ask(c, v, "", 0, 0));
  if (!value::truthy(address)) return v;
  return ask(c, address, "wrap", 0, 0);
}
Outcome<Value> ipwrap(Call& c) {
  TEMPLATE_CHECK(c.in.require(c.input));
  if (!c.input.is_sequence()) return wrapped(c, c.input);
  std::vector<Value> out;
  for (const Value& item : c.input.items()) {
    TEMPLATE_TRY(one, wrapped(c, item));
    out.push_back(std::move(one));
  }
  return Value::list(std::move(out));
}

Outcome<Value> nthhost(Call& c) {
  TEMPLATE_CHECK(c.in.require(c.input));
  const auto network = read_value(c.input, 0);
  TEMPLATE_TRY(written, c.text(0, ""));
  const auto number = small_number(
      std::string_view(written).substr(written.starts_with('-') ? 1 : 0), 2'000'000'000);
  if (!network || !number) return Value::boolean(false);
  const Bits n = static_cast<unsigned>(*number);
  if (written.starts_with('-') && n != 0) {
    if (n - 1 > network->host_bits()) return bad("there are not so many addresses");
    return text(shown(*network, network->last() + 1 - n));
  }
  if (n > network->host_bits()) return Value::boolean(false);
  return text(shown(*network, network->first() + n));
}

// value | network_in_usable(test), value | network_in_network(test)
Outcome<Value> network_in_network(Call& c) {
  TEMPLATE_CHECK(c.in.require(c.input));
  TEMPLATE_TRY(inner, c.text(0, ""));
  const auto outer = read_value(c.input, 0);
  const auto network = read_network(inner);
  return Value::boolean(outer && network && network->version == outer->version &&
                        network->first() >= outer->first() && network->last() <= outer->last());
}

constexpr std::array kRows{
    FilterRow{"ipaddr", ipaddr, "query version"},
    FilterRow{"ipv4", ipv4, "query"},
    FilterRow{"ipv6", ipv6, "query"},
    FilterRow{"ipwrap", ipwrap, "query"},
    FilterRow{"nthhost", nthhost, "query"},
    FilterRow{"network_in_network", network_in_network, "test"},
};

}  // namespace

std::span<const FilterRow> address_filters() { return kRows; }

}  // namespace fleetctl::template_
