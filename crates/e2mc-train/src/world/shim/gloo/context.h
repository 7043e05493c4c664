// A stub: what ProcessGroupGloo.hpp needs to know of a context, which is never made here.
#pragma once
#include <chrono>
namespace gloo {
class Context {
 public:
  void setTimeout(std::chrono::milliseconds timeout);
};
}  // namespace gloo
