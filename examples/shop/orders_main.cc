// shop-orders: the service of demo/orders. See edge.h for its arguments.
#include "examples/shop/orders.h"

int main(int argc, char** argv) {
  const shop::EdgeOptions options = shop::ParseEdgeOptions(argc, argv);
  // Read once by the parent; every life of the service inherits it.
  shop::Catalog catalog;
  if (!options.catalog.empty() && !catalog.Read(options.catalog)) return 64;
  return semper::Main(argc, argv, {},
                      [&] { return std::make_unique<shop::OrderDesk>(options, catalog); });
}
