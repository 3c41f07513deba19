#include "agent/ui/site.h"

#include <algorithm>
#include <array>

#include "agent/base/strings.h"
#include "agent/io/gzip.h"
#include "agent/ui/assets.h"

namespace agent::ui {
namespace {

using io::ServerReply;
using io::ServerRequest;

constexpr std::string_view kShell = "index.html";
constexpr std::size_t kMaxAsset = std::size_t{4} << 20;
// Of one part, or the first part of several. A component in a module has more of them.
constexpr std::array kPages{"graph", "sources", "targets", "tail"};
constexpr std::array kPagesOf{"component/", "reference/"};

const Asset* find(std::string_view name) {
  for (const Asset& asset : assets())
    if (asset.name == name) return &asset;
  return nullptr;
}

std::string_view content_type(std::string_view name) {
  if (name.ends_with(".js")) return "text/javascript; charset=utf-8";
  if (name.ends_with(".css")) return "text/css; charset=utf-8";
  if (name.ends_with(".svg")) return "image/svg+xml";
  return "text/html; charset=utf-8";
}

bool is_page(std::string_view path) {
  const auto fits = [&](std::string_view page) { return path == page; };
  const auto begins = [&](std::string_view page) { return path.starts_with(page); };
  return path.empty() || std::any_of(kPages.begin(), kPages.end(), fits) ||
         std::any_of(kPagesOf.begin(), kPagesOf.end(), begins);
}

void replace_all(std::string& text, std::string_view what, std::string_view with) {
  for (std::size_t at = 0; (at = text.find(what, at)) != std::string::npos; at += with.size())
    text.replace(at, what.size(), with);
}

std::string plain(const Asset& asset) {
  return io::gunzip(asset.gzip, kMaxAsset).value_or(std::string());
}

// The way from a page to the first one: addresses relative to it hold under any prefix. Pages write
// the slashes of an id as they are.
ServerReply shell(std::string_view path) {
  std::string root;
  for (std::ptrdiff_t n = std::count(path.begin(), path.end(), '/'); n > 0; --n) root += "../";
  std::string body = plain(*find(kShell));
  replace_all(body, "{{root}}", root.empty() ? "./" : root);
  replace_all(body, "{{version}}", assets_version());
  return {200, std::string(content_type(kShell)), std::move(body), page_headers()};
}

ServerReply file(const ServerRequest& request, const Asset& asset) {
  const std::string etag = "\"" + std::string(assets_version()) + "\"";
  ServerReply reply{200,
                    std::string(content_type(asset.name)),
                    {},
                    {{"Cache-Control", "public, max-age=31536000, immutable"},
                     {"ETag", etag},
                     {"Vary", "Accept-Encoding"},
                     {"X-Content-Type-Options", "nosniff"}}};
  if (request.header("if-none-match") == etag) {
    reply.status = 304;
  } else if (request.header("accept-encoding").find("gzip") != std::string_view::npos) {
    reply.headers.emplace_back("Content-Encoding", "gzip");
    reply.body = asset.gzip;
  } else {
    reply.body = plain(asset);
  }
  return reply;
}

}  // namespace

std::vector<std::pair<std::string, std::string>> page_headers() {
  return {{"Content-Security-Policy",
           "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
           "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
           "require-trusted-types-for 'script'; trusted-types 'none'"},
          {"Referrer-Policy", "no-referrer"},
          {"X-Content-Type-Options", "nosniff"},
          {"Cache-Control", "no-cache"}};
}

std::optional<ServerReply> site(const ServerRequest& request) {
  std::string_view path = request.path;
  if (!path.starts_with('/')) return std::nullopt;
  path.remove_prefix(1);
  if (is_page(path)) return shell(path);
  if (!path.starts_with("ui/")) return std::nullopt;
  const std::size_t slash = path.find('/', 3);
  if (slash == std::string_view::npos || path.substr(3, slash - 3) != assets_version())
    return std::nullopt;
  const Asset* asset = find(path.substr(slash + 1));
  if (asset == nullptr || asset->name == kShell) return std::nullopt;
  return file(request, *asset);
}

}  // namespace agent::ui
