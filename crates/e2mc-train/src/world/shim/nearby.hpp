// Exchanges between the processes of one machine, through memory that they share.
// A message of Gloo's passes through threads on both sides, each of which has to be woken: most of a
// millisecond on a virtual machine, and batch norm sends one forward and one backward in each layer.
// Here the processes look for each other's numbers themselves. Tensors of more than 1 MiB go to Gloo, except sums
// among at most four processes.
#pragma once

#ifdef __linux__
#include <fcntl.h>
#include <linux/futex.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <chrono>
#include <climits>
#include <cstdio>
#include <cstring>
#include <memory>
#include <mutex>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include <torch/csrc/distributed/c10d/Backend.hpp>
#include <torch/csrc/distributed/c10d/Store.hpp>

namespace nearby {

// Bytes that a process leaves for the others in one round.
constexpr size_t SLOT = size_t{1} << 20;
// Up to so many processes, sums of any length are made here. Each process reads all others' numbers, which costs
// more with each process; Gloo's ring does not.
constexpr int FEW = 4;
// How long a process looks for the others before it sleeps: they rarely differ by more between two layers.
constexpr std::chrono::microseconds SPIN{1000};
// How often it asks whether they are still there.
constexpr std::chrono::milliseconds LOOK{200};

// Work that is done before anyone can ask for it.
struct Done : c10d::Work {
  bool isCompleted() override { return true; }
  bool isSuccess() const override { return true; }
  bool wait(std::chrono::milliseconds) override { return true; }
};

// What a process tells the others: the number of the last round that its numbers are there for.
struct alignas(128) Post {
  std::atomic<uint32_t> round;
  std::atomic<uint32_t> sleepers;
};

// Memory that the processes of a group share: a post for each, and two slots for each. A round fills the
// slots of its parity, so that a process may fill the next while others still read.
class Memory {
 public:
  // All processes call it. Gives nothing where one of them cannot share memory.
  static std::unique_ptr<Memory> share(c10d::Store& store, int rank, int size) {
    std::unique_ptr<Memory> memory(new Memory(rank, size));
    if (rank == 0) {
      auto name = memory->create();
      store.set("memory", name);
    } else {
      memory->open(text(store.get("memory")));
    }
    store.set("shares/" + std::to_string(rank), memory->base ? "yes" : "no");
    bool all = true;
    for (int other = 0; other < size; other++) all &= text(store.get("shares/" + std::to_string(other))) == "yes";
    return all ? std::move(memory) : nullptr;
  }

  ~Memory() {
    if (base) munmap(base, bytes());
    if (file >= 0) close(file);
  }

  // Where process `of` leaves its numbers in round `round`.
  char* slot(int of, uint32_t round) const {
    return base + posts() + (size_t(of) * 2 + round % 2) * SLOT;
  }
  // Bytes from one process's slot to the next one's.
  static constexpr size_t stride() { return 2 * SLOT; }

  // Says that the own slot is filled, and waits until all others' are.
  void meet(uint32_t round, std::chrono::milliseconds timeout) {
    auto& own = post(rank);
    own.round.store(round);
    if (own.sleepers.load()) futex(own, FUTEX_WAKE, INT_MAX, nullptr);
    for (int other = 0; other < size; other++) {
      if (other != rank) wait(other, round, timeout);
    }
  }

 private:
  Memory(int rank, int size) : rank(rank), size(size) {}

  static std::string text(const std::vector<uint8_t>& bytes) { return {bytes.begin(), bytes.end()}; }
  size_t posts() const { return (sizeof(Post) * size + 4095) / 4096 * 4096; }
  size_t bytes() const { return posts() + stride() * size; }
  Post& post(int of) const { return reinterpret_cast<Post*>(base)[of]; }

  // Gives where the others find it and what it is called there, or nothing. Its pages are taken at once: a
  // machine without memory for them says so here.
  std::string create() {
    char called[40];
    std::random_device random;
    std::snprintf(called, sizeof called, "e2mc.%08x%08x%08x", random(), random(), random());
    file = memfd_create(called, MFD_CLOEXEC);
    if (file >= 0 && fallocate(file, 0, 0, bytes()) == 0) map();
    if (!base) return "";
    return "/proc/" + std::to_string(getpid()) + "/fd/" + std::to_string(file) + " /memfd:" + called;
  }
  // A process that counts processes otherwise, in a container of its own, may have another file at that place.
  void open(const std::string& name) {
    auto space = name.find(' ');
    if (space == std::string::npos) return;
    auto place = name.substr(0, space), called = name.substr(space + 1);
    char found[128];
    auto length = readlink(place.c_str(), found, sizeof found);
    if (length < 0 || std::string(found, length).rfind(called + " ", 0) != 0) return;
    file = ::open(place.c_str(), O_RDWR | O_CLOEXEC);
    if (file >= 0) map();
  }
  // A lock on a byte of its own, which the system takes back from a process that dies.
  void map() {
    struct flock lock{};
    lock.l_type = F_WRLCK;
    lock.l_whence = SEEK_SET;
    lock.l_start = rank;
    lock.l_len = 1;
    if (fcntl(file, F_OFD_SETLK, &lock) != 0) return;
    auto at = mmap(nullptr, bytes(), PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    base = at == MAP_FAILED ? nullptr : static_cast<char*>(at);
  }
  bool is_there(int other) const {
    struct flock lock{};
    lock.l_type = F_WRLCK;
    lock.l_whence = SEEK_SET;
    lock.l_start = other;
    lock.l_len = 1;
    return fcntl(file, F_OFD_GETLK, &lock) == 0 && lock.l_type != F_UNLCK;
  }

  static long futex(Post& post, int operation, uint32_t value, const timespec* timeout) {
    return syscall(SYS_futex, reinterpret_cast<uint32_t*>(&post.round), operation, value, timeout, nullptr, 0);
  }

  // Rounds wrap around.
  static bool reached(uint32_t seen, uint32_t round) { return int32_t(seen - round) >= 0; }
  static bool has(const Post& post, uint32_t round) { return reached(post.round.load(), round); }

  void wait(int other, uint32_t round, std::chrono::milliseconds timeout) const {
    using clock = std::chrono::steady_clock;
    auto& theirs = post(other);
    auto since = clock::now();
    while (clock::now() - since < SPIN) {
      for (int look = 0; look < 64; look++) {
        if (has(theirs, round)) return;
#if defined(__x86_64__)
        __builtin_ia32_pause();
#endif
      }
    }
    theirs.sleepers.fetch_add(1);
    auto last = [&] { theirs.sleepers.fetch_sub(1); };
    timespec look{0, std::chrono::nanoseconds(LOOK).count()};
    auto looked = since;
    for (;;) {
      uint32_t seen = theirs.round.load();
      if (reached(seen, round)) return last();
      // Whatever ends the wait, the clock says whether to look.
      if (futex(theirs, FUTEX_WAIT, seen, &look) != 0 && errno == ENOSYS) std::this_thread::sleep_for(LOOK / 1000);
      auto now = clock::now();
      if (has(theirs, round) || now - looked < LOOK) continue;
      looked = now;
      if (!is_there(other)) {
        last();
        TORCH_CHECK(false, "process ", other, " is gone");
      }
      if (now - since > timeout) {
        last();
        TORCH_CHECK(false, "process ", other, " did not answer within ", timeout.count(), " ms");
      }
    }
  }

  int rank, size;
  int file = -1;
  char* base = nullptr;
};

// Through shared memory where that is faster, by `far` otherwise.
class Backend : public c10d::Backend {
 public:
  Backend(std::unique_ptr<Memory> memory, c10::intrusive_ptr<c10d::Backend> far, std::chrono::milliseconds timeout)
      : c10d::Backend(far->getRank(), far->getSize()), memory(std::move(memory)), far(far), timeout(timeout) {}

  const std::string getBackendName() const override { return "nearby"; }

  c10::intrusive_ptr<c10d::Work> allreduce(std::vector<at::Tensor>& tensors, const c10d::AllreduceOptions& options) override {
    auto sums = options.reduceOp == c10d::ReduceOp::SUM, largest = options.reduceOp == c10d::ReduceOp::MAX;
    auto& tensor = tensors[0];
    auto short_enough = tensor.nbytes() <= SLOT || getSize() <= FEW;
    if (tensors.size() != 1 || !serves(tensor) || !short_enough || !(sums || largest)) {
      return far->allreduce(tensors, options);
    }
    for (auto& part : tensor.view({-1}).split(SLOT / tensor.element_size())) {
      round(part, [&](const at::Tensor& all) {
        // In the order of the ranks, so that all processes get the same sum.
        sums ? at::sum_out(part, all, at::IntArrayRef{0}, false, part.scalar_type()) : at::amax_out(part, all, {0});
      });
    }
    return c10::make_intrusive<Done>();
  }
  c10::intrusive_ptr<c10d::Work> _allgather_base(at::Tensor& out, at::Tensor& in, const c10d::AllgatherOptions& options) override {
    if (!serves(in) || in.nbytes() > SLOT || !out.is_contiguous()) return far->_allgather_base(out, in, options);
    round(in, [&](const at::Tensor& all) { out.view({getSize(), -1}).copy_(all); });
    return c10::make_intrusive<Done>();
  }
  c10::intrusive_ptr<c10d::Work> alltoall_base(at::Tensor& out, at::Tensor& in, std::vector<int64_t>& out_sizes,
      std::vector<int64_t>& in_sizes, const c10d::AllToAllOptions& options) override {
    if (!serves(in) || in.nbytes() > SLOT || !out.is_contiguous() || !out_sizes.empty() || !in_sizes.empty()) {
      return far->alltoall_base(out, in, out_sizes, in_sizes, options);
    }
    auto block = in.numel() / getSize();
    round(in, [&](const at::Tensor& all) {
      out.view({getSize(), block}).copy_(all.narrow(1, getRank() * block, block));
    });
    return c10::make_intrusive<Done>();
  }

 private:
  bool serves(const at::Tensor& tensor) const {
    return tensor.is_cpu() && tensor.is_contiguous() && tensor.numel() > 0;
  }

  // Leaves `own` for the others and gives `read` what all left: a row for each process.
  template <class F>
  void round(const at::Tensor& own, F read) {
    std::lock_guard<std::mutex> guard(mutex);
    auto number = ++rounds;
    std::memcpy(memory->slot(getRank(), number), own.const_data_ptr(), own.nbytes());
    memory->meet(number, timeout);
    int64_t stride = Memory::stride() / own.element_size();
    read(at::from_blob(memory->slot(0, number), {getSize(), own.numel()}, {stride, 1}, own.options()));
  }

  std::unique_ptr<Memory> memory;
  c10::intrusive_ptr<c10d::Backend> far;
  std::chrono::milliseconds timeout;
  std::mutex mutex;
  uint32_t rounds = 0;
};

}  // namespace nearby
#endif
