// The plain SHA-256 functions of OpenSSL, although version 3 calls them deprecated: its EVP
// interface allocates a context in every initialisation, and a chain is extended for every record.
#define OPENSSL_SUPPRESS_DEPRECATED
#include <openssl/sha.h>

#include <algorithm>

#include "base/check.h"
#include "base/hash.h"

namespace semper {

Chain ExtendChain(const Chain& previous, std::span<const std::byte> bytes) {
  SHA256_CTX context;
  std::array<std::byte, SHA256_DIGEST_LENGTH> digest;
  const bool done = SHA256_Init(&context) == 1 &&
                    SHA256_Update(&context, previous.data(), previous.size()) == 1 &&
                    SHA256_Update(&context, bytes.data(), bytes.size()) == 1 &&
                    SHA256_Final(reinterpret_cast<unsigned char*>(digest.data()), &context) == 1;
  SEMPER_CHECK(done, "OpenSSL refused to compute SHA-256");
  Chain chain;
  std::copy_n(digest.begin(), chain.size(), chain.begin());
  return chain;
}

}  // namespace semper
