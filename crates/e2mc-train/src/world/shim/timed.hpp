// The time that this process spends in exchanges.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>

// Nanoseconds so far. On GPUs exchanges run beside the computation, and only the time that it takes to ask for
// them counts.
inline std::atomic<int64_t> exchanged{0};

// Counts while it lives.
class Timed {
  using Clock = std::chrono::steady_clock;
  Clock::time_point since = Clock::now();

 public:
  ~Timed() { exchanged += std::chrono::nanoseconds(Clock::now() - since).count(); }
};
