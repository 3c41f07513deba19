#include "agent/base/program_output.h"

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>

#include "agent/base/file.h"

namespace agent {

Result<std::string> program_output(std::vector<std::string> words, std::size_t limit) {
  std::vector<char*> arguments;
  for (std::string& word : words) arguments.push_back(word.data());
  arguments.push_back(nullptr);

  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0) return fail_errno("pipe", errno);
  FileDescriptor reader(ends[0]);
  FileDescriptor writer(ends[1]);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, writer.get(), STDOUT_FILENO);
  pid_t child = 0;
  const int failed =
      ::posix_spawn(&child, arguments[0], &actions, nullptr, arguments.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  if (failed != 0) return fail_errno("run " + words[0], failed);
  writer.reset();

  std::string out;
  std::array<char, 4096> buffer;
  ssize_t n = 0;
  while ((n = ::read(reader.get(), buffer.data(), buffer.size())) != 0) {
    if (n < 0 && errno == EINTR) continue;
    if (n < 0 || out.size() > limit) break;
    out.append(buffer.data(), static_cast<std::size_t>(n));
  }
  reader.reset();
  int status = 0;
  while (::waitpid(child, &status, 0) < 0 && errno == EINTR) continue;
  if (out.size() > limit)
    return fail(ErrorCode::kExhausted, "the program " + words[0] + " prints too much");
  if (n != 0 || !WIFEXITED(status) || WEXITSTATUS(status) != 0)
    return fail(ErrorCode::kIo, "the program " + words[0] + " failed");
  return out;
}

}  // namespace agent
