#include <openssl/evp.h>

#include <algorithm>
#include <memory>

#include "base/check.h"
#include "base/hash.h"

namespace semper {
namespace {

struct FreeContext {
  void operator()(EVP_MD_CTX* context) const { EVP_MD_CTX_free(context); }
};
struct FreeAlgorithm {
  void operator()(EVP_MD* algorithm) const { EVP_MD_free(algorithm); }
};

// One per thread: the algorithm is looked up and the context allocated once.
class Sha256 {
 public:
  Sha256()
      : algorithm_(EVP_MD_fetch(nullptr, "SHA256", nullptr)), context_(EVP_MD_CTX_new()) {
    SEMPER_CHECK(algorithm_ != nullptr && context_ != nullptr, "OpenSSL offers no SHA256");
  }

  std::array<std::byte, 32> operator()(std::span<const std::byte> first,
                                       std::span<const std::byte> second) {
    std::array<std::byte, 32> digest;
    unsigned int size = 0;
    const bool done =
        EVP_DigestInit_ex2(context_.get(), algorithm_.get(), nullptr) == 1 &&
        EVP_DigestUpdate(context_.get(), first.data(), first.size()) == 1 &&
        EVP_DigestUpdate(context_.get(), second.data(), second.size()) == 1 &&
        EVP_DigestFinal_ex(context_.get(), reinterpret_cast<unsigned char*>(digest.data()),
                           &size) == 1;
    SEMPER_CHECK(done && size == digest.size(), "OpenSSL refused to compute SHA-256");
    return digest;
  }

 private:
  std::unique_ptr<EVP_MD, FreeAlgorithm> algorithm_;
  std::unique_ptr<EVP_MD_CTX, FreeContext> context_;
};

}  // namespace

Chain ExtendChain(const Chain& previous, std::span<const std::byte> bytes) {
  static thread_local Sha256 sha256;
  const std::array<std::byte, 32> digest = sha256(previous, bytes);
  Chain chain;
  std::copy_n(digest.begin(), chain.size(), chain.begin());
  return chain;
}

}  // namespace semper
