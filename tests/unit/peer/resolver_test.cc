#include "sidecar/peer/resolver.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/sim_process.h"

namespace semper::peer {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

// Does the work at once: a fiber of the simulator is too small for the system's resolver.
class InlineExecutor : public Executor {
 public:
  explicit InlineExecutor(Loop& loop) : loop_(loop) {}
  void Run(Lane lane, Job& job) override {
    EXPECT_EQ(lane, Lane::kHousekeeping);
    ++jobs;
    job.Work();
    loop_.Post([&job] { job.Done(); });
  }
  int jobs = 0;

 private:
  Loop& loop_;
};

class NameResolverTest : public ::testing::Test {
 protected:
  absl::StatusOr<std::vector<std::string>> Resolve(NameResolver& resolver) {
    absl::StatusOr<std::vector<std::string>> answer = absl::UnknownError("no answer");
    resolver.Resolve("test/shop", [&](absl::StatusOr<std::vector<std::string>> given) {
      EXPECT_FALSE(calling_);
      answer = std::move(given);
    });
    calling_ = false;
    scheduler_.RunUntil(scheduler_.now() + sim::kSecond);
    calling_ = true;
    return answer;
  }

  bool calling_ = true;
  sim::SimScheduler scheduler_{1};
  sim::SimNetwork network_{scheduler_};
  sim::SimProcess process_{scheduler_, network_, nullptr, "sender", "machine"};
  InlineExecutor executor_{process_.loop()};
};

TEST_F(NameResolverTest, GivesAllAddressesOfTheList) {
  NameResolver resolver({{{"test/shop", {"10.0.0.1:1", "[::1]:2", "unix:/run/x"}}}, ""},
                        process_.loop(), executor_);
  const auto answer = Resolve(resolver);
  ASSERT_TRUE(answer.ok()) << answer.status();
  EXPECT_THAT(*answer, ElementsAre("10.0.0.1:1", "[::1]:2", "unix:/run/x"));
  EXPECT_EQ(executor_.jobs, 0);
}

TEST_F(NameResolverTest, ANewListCountsFromTheNextQuestionOn) {
  NameResolver resolver({{{"test/shop", {"10.0.0.1:1"}}}, ""}, process_.loop(), executor_);
  resolver.SetAddresses({{"test/shop", {"10.0.0.2:1", "10.0.0.3:1"}}});
  const auto answer = Resolve(resolver);
  ASSERT_TRUE(answer.ok()) << answer.status();
  EXPECT_THAT(*answer, ElementsAre("10.0.0.2:1", "10.0.0.3:1"));
}

TEST_F(NameResolverTest, AHostNameStandsForItsAddresses) {
  NameResolver resolver({{{"test/shop", {"localhost:1", "10.0.0.2:1"}}}, ""}, process_.loop(),
                        executor_);
  const auto answer = Resolve(resolver);
  ASSERT_TRUE(answer.ok()) << answer.status();
  EXPECT_THAT(*answer, Contains("127.0.0.1:1"));
  EXPECT_EQ(answer->back(), "10.0.0.2:1");
}

TEST_F(NameResolverTest, AnAddressIsGivenOnce) {
  NameResolver resolver({{{"test/shop", {"localhost:1", "127.0.0.1:1", "localhost:1"}}}, ""},
                        process_.loop(), executor_);
  const auto answer = Resolve(resolver);
  ASSERT_TRUE(answer.ok()) << answer.status();
  EXPECT_THAT(*answer, Contains("127.0.0.1:1").Times(1));
}

TEST_F(NameResolverTest, AHostNameThatIsWrongDoesNotHideTheOthers) {
  NameResolver resolver({{{"test/shop", {"a..b:1", "10.0.0.2:1"}}}, ""}, process_.loop(),
                        executor_);
  const auto answer = Resolve(resolver);
  ASSERT_TRUE(answer.ok()) << answer.status();
  EXPECT_THAT(*answer, ElementsAre("10.0.0.2:1"));
}

TEST_F(NameResolverTest, NamesTheHostThatHasNoAddress) {
  NameResolver resolver({{{"test/shop", {"a..b:1"}}}, ""}, process_.loop(), executor_);
  EXPECT_THAT(Resolve(resolver).status().message(), HasSubstr("cannot resolve a..b"));
}

TEST_F(NameResolverTest, TheTemplateIsForWhatTheListDoesNotHave) {
  NameResolver resolver({{{"test/other", {"10.0.0.1:1"}}}, "10.{name}.{namespace}:1"},
                        process_.loop(), executor_);
  EXPECT_THAT(Resolve(resolver).status().message(), HasSubstr("10.shop.test"));
}

TEST_F(NameResolverTest, SaysWhatToGiveForANameThatNothingKnows) {
  NameResolver resolver({{}, ""}, process_.loop(), executor_);
  EXPECT_THAT(Resolve(resolver).status().message(), HasSubstr("--peer=test/shop=HOST:PORT"));
}

}  // namespace
}  // namespace semper::peer
