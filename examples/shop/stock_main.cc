// shop-stock: the service of demo/stock. See edge.h for its arguments.
#include <memory>

#include "examples/shop/stock.h"

int main(int argc, char** argv) {
  const shop::EdgeOptions options = shop::ParseEdgeOptions(argc, argv);
  return semper::Main(argc, argv, {}, [&] { return std::make_unique<shop::StockRoom>(options); });
}
