// Who comes to the sockets with anything but a handshake does no harm.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <random>

#include "tests/integration/shop/shop_fixture.h"

namespace shop::demo {
namespace {

class IntruderTest : public ShopTest {
 protected:
  // A connection; closed at the end of the test. -1 if it is refused.
  int Connect(const sockaddr* address, socklen_t length) {
    const int fd = socket(address->sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockets_.push_back(fd);
    return connect(fd, address, length) == 0 ? fd : -1;
  }
  int ConnectToPeerPort(bool orders) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<uint16_t>(stack_->peer_port(orders)));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return Connect(reinterpret_cast<const sockaddr*>(&address), sizeof address);
  }
  int ConnectToServiceSocket(bool orders) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    File(orders ? "orders.sock" : "stock.sock").copy(address.sun_path, sizeof address.sun_path - 1);
    return Connect(reinterpret_cast<const sockaddr*>(&address), sizeof address);
  }
  void SendGarbage(int fd, size_t bytes) {
    std::string garbage(bytes, '\0');
    for (char& c : garbage) c = static_cast<char>(random_());
    (void)!send(fd, garbage.data(), garbage.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
  }

  ~IntruderTest() override {
    for (const int fd : sockets_) close(fd);
  }

  std::mt19937 random_{1};
  std::vector<int> sockets_;
};

TEST_F(IntruderTest, GarbageOnThePeerPortIsTurnedAway) {
  ASSERT_TRUE(WaitForOrders(1000));
  for (int i = 0; i < 100; ++i) SendGarbage(ConnectToPeerPort(i % 2 == 0), 1 + 97 * i);
  EXPECT_TRUE(WaitForOrders(20'000));
  EXPECT_TRUE(AllRunning());
}

TEST_F(IntruderTest, HalfOpenConnectionsTakeNobodysPlace) {
  ASSERT_TRUE(WaitForOrders(1000));
  for (int i = 0; i < 200; ++i) {
    const int fd = ConnectToPeerPort(i % 2 == 0);
    if (i % 3 == 0) SendGarbage(fd, 7);  // the beginning of a header
  }
  // The two must be able to connect anew while they stay open.
  ASSERT_TRUE(stack_->Kill(Role::kStockCoordinator, false));
  const uint64_t goal = Settled() + 20'000;
  EXPECT_TRUE(WaitFor([&] {
    std::string why;
    EXPECT_TRUE(stack_->RestartDead(why)) << why;
    return Settled() >= goal;
  }));
}

TEST_F(IntruderTest, GarbageOnTheServiceSocketDoesNotReplaceTheService) {
  ASSERT_TRUE(WaitForOrders(1000));
  for (int i = 0; i < 50; ++i) SendGarbage(ConnectToServiceSocket(i % 2 == 0), 200);
  EXPECT_TRUE(WaitForOrders(20'000));
  EXPECT_TRUE(AllRunning());
}

}  // namespace
}  // namespace shop::demo
