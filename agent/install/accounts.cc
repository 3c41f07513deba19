#include "agent/install/accounts.h"

#include <algorithm>
#include <charconv>

#include "agent/base/strings.h"
#include "agent/install/layout.h"

namespace agent::install {
namespace {

constexpr Duration kCommandLimit = std::chrono::seconds(30);

std::optional<unsigned> to_id(std::string_view text) {
  unsigned value = 0;
  const auto [stop, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (text.empty() || error != std::errc() || stop != text.data() + text.size())
    return std::nullopt;
  return value;
}

// Runs a command whose only sensible end is success.
Result<> must(System& system, const std::vector<std::string>& argv) {
  const auto done = system.run(argv, kCommandLimit);
  if (!done) return fail(Error(done.error()).within(argv[0]));
  if (done->status == 0) return {};
  return fail(
      ErrorCode::kUnavailable,
      argv[0] + ": " + (done->timed_out ? "took too long" : std::string(trim(done->output))));
}

// passwd(5): name:password:uid:gid:...
Result<> read_user(System& system, Accounts& accounts) {
  const auto entry = system.run({"getent", "passwd", std::string(kUser)}, kCommandLimit);
  if (!entry) return fail(Error(entry.error()).within("getent passwd"));
  if (entry->status != 0) return {};
  const auto fields = split(trim(entry->output), ':');
  const auto uid = fields.size() < 4 ? std::nullopt : to_id(fields[2]);
  const auto gid = fields.size() < 4 ? std::nullopt : to_id(fields[3]);
  if (!uid || !gid) return fail(ErrorCode::kInvalid, "getent passwd: unreadable answer");
  accounts.user_exists = true;
  accounts.user = Identity{*uid, *gid, {*gid}};
  return {};
}

// group(5): name:password:gid:member,member
void read_group(std::string_view line, Accounts& accounts) {
  const auto fields = split(line, ':');
  const auto gid = fields.size() < 4 ? std::nullopt : to_id(fields[2]);
  if (!gid) return;
  const auto members = split(trim(fields[3]), ',');
  const bool member = std::find(members.begin(), members.end(), kUser) != members.end();
  accounts.groups.push_back(Group{std::string(fields[0]), *gid, member});
  if (member) accounts.user.groups.push_back(*gid);
}

}  // namespace

Result<Accounts> read_accounts(System& system, const std::vector<std::string>& wanted) {
  Accounts accounts;
  if (auto read = read_user(system, accounts); !read) return fail(read.error());
  if (wanted.empty()) return accounts;
  std::vector<std::string> argv{"getent", "group"};
  argv.insert(argv.end(), wanted.begin(), wanted.end());
  // Status 2 says that some are missing; those that exist are printed all the same.
  const auto entries = system.run(argv, kCommandLimit);
  if (!entries) return fail(Error(entries.error()).within("getent group"));
  for (const std::string_view line : split(entries->output, '\n')) read_group(line, accounts);
  return accounts;
}

Result<Accounts> complete_accounts(System& system, const Accounts& accounts,
                                   const std::vector<std::string>& wanted) {
  std::string missing;
  for (const Group& group : accounts.groups) {
    if (!group.member) missing += (missing.empty() ? "" : ",") + group.name;
  }
  if (accounts.user_exists && missing.empty()) return accounts;
  std::vector<std::string> argv;
  if (accounts.user_exists) {
    argv = {"usermod", "--append"};
  } else {
    argv = {"useradd",
            "--system",
            "--user-group",
            "--no-create-home",
            "--no-log-init",
            "--home-dir",
            std::string(kStateFolder),
            "--shell",
            "/usr/sbin/nologin"};
  }
  if (!missing.empty()) argv.insert(argv.end(), {"--groups", missing});
  argv.emplace_back(kUser);
  if (auto done = must(system, argv); !done) return fail(done.error());
  auto now = read_accounts(system, wanted);
  if (now && !now->user_exists) return fail(ErrorCode::kUnavailable, "useradd left no user");
  return now;
}

}  // namespace agent::install
