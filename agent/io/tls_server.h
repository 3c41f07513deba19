// The server's side of TLS over a connected, non-blocking socket. OpenSSL.
#pragma once

#include <cstddef>
#include <memory>
#include <string>

#include "agent/base/result.h"
#include "agent/base/secret.h"

namespace agent::io {

struct TlsServerOptions {
  // PEM, as text or in a file, read once.
  std::string cert_pem, cert_file;
  Secret key_pem;
  std::string key_file;
  // Authorities of clients. When given, a client must show a certificate that one of them signed.
  std::string ca_pem, ca_file;
  std::string min_version;  // TLS10, TLS11, TLS12, TLS13; "" is TLS12
  bool operator==(const TlsServerOptions&) const = default;
};

// Certificates and settings, for any number of streams. Immutable; any thread.
class TlsServer {
 public:
  // kInvalid: no certificate, a key that does not fit it, PEM that is none; kIo: a file.
  static Result<std::shared_ptr<const TlsServer>> create(const TlsServerOptions& options);
  ~TlsServer();
  TlsServer(const TlsServer&) = delete;
  TlsServer& operator=(const TlsServer&) = delete;

 private:
  friend class TlsStream;
  struct Context;
  explicit TlsServer(std::unique_ptr<Context> context);
  std::unique_ptr<Context> context_;
};

// One connection. One thread at a time; never waits.
class TlsStream {
 public:
  // `fd` stays the caller's, and open as long as this lives.
  TlsStream(std::shared_ptr<const TlsServer> server, int fd);
  ~TlsStream();
  TlsStream(TlsStream&&) noexcept;
  TlsStream& operator=(TlsStream&&) noexcept;

  enum class Outcome {
    kDone,
    kWantRead,   // call again when the socket can be read
    kWantWrite,  // ... written
    kClosed,     // the peer has ended the stream properly
    kFailed,     // see error()
  };
  // Until kDone.
  Outcome handshake();
  // Up to `size` bytes; kDone: `got` says how many. Until kWantRead there may be more that no poll
  // tells of.
  Outcome read(char* to, std::size_t size, std::size_t& got);
  const std::string& error() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace agent::io
