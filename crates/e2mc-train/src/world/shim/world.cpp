// The processes that train together, on libtorch's own c10d. Each function returns nullptr, or a
// message to be freed with e2mc_free; no exception leaves. Tensors are tch's, that is at::Tensor.
#include <ATen/ATen.h>
#include <ATen/Version.h>
#include <c10/util/Flags.h>
#include <torch/csrc/autograd/custom_function.h>
#include <torch/csrc/distributed/c10d/PrefixStore.hpp>
#include <torch/csrc/distributed/c10d/ProcessGroup.hpp>
#include <torch/csrc/distributed/c10d/ProcessGroupGloo.hpp>
#include <torch/csrc/distributed/c10d/TCPStore.hpp>
#ifdef USE_C10D_NCCL
#include <torch/csrc/distributed/c10d/ProcessGroupNCCL.hpp>
#endif
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <utility>

#include "nearby.hpp"
#include "reducer.hpp"
#include "timed.hpp"

C10_DECLARE_int(caffe2_log_level);

using at::Tensor;
using torch::autograd::AutogradContext;
using torch::autograd::variable_list;
using Group = c10d::ProcessGroup;

struct E2mcStore {
  c10::intrusive_ptr<c10d::Store> store;
};
struct E2mcGroup {
  c10::intrusive_ptr<Group> group;
};

namespace {

template <class F>
char* guarded(F f) noexcept {
  try {
    f();
    return nullptr;
  } catch (const c10::Error& e) {
    return strdup(e.what_without_backtrace());
  } catch (const std::exception& e) {
    return strdup(e.what());
  } catch (...) {
    return strdup("unknown C++ exception");
  }
}

void reduce(Group& group, const Tensor& tensor, c10d::ReduceOp::RedOpType op) {
  Timed timed;
  std::vector<Tensor> one{tensor};
  c10d::AllreduceOptions options;
  options.reduceOp = c10d::ReduceOp(op);
  group.allreduce(one, options)->wait();
}

Tensor gather(Group& group, const Tensor& rows) {
  Timed timed;
  auto in = rows.contiguous();
  auto size = in.sizes().vec();
  size[0] *= group.getSize();
  auto out = at::empty(size, in.options());
  group._allgather_base(out, in)->wait();
  return out;
}

// The first dimension is cut into as many blocks as there are processes; block k goes to process k.
Tensor exchange(Group& group, const Tensor& blocks) {
  Timed timed;
  auto in = blocks.contiguous();
  auto out = at::empty_like(in);
  std::vector<int64_t> even_out, even_in;
  group.alltoall_base(out, in, even_out, even_in)->wait();
  return out;
}

void keep(AutogradContext* ctx, const c10::intrusive_ptr<Group>& group) {
  ctx->saved_data["group"] = c10::IValue::make_capsule(group);
}
c10::intrusive_ptr<Group> kept(AutogradContext* ctx) {
  return c10::static_intrusive_pointer_cast<Group>(ctx->saved_data["group"].toCapsule());
}

// Rows of all processes by rank. The gradient of a row goes back to its process: the sum of what all
// processes' losses give it.
struct Gather : torch::autograd::Function<Gather> {
  static Tensor forward(AutogradContext* ctx, const Tensor& rows, const c10::intrusive_ptr<Group>& group) {
    keep(ctx, group);
    return gather(*group, rows);
  }
  static variable_list backward(AutogradContext* ctx, variable_list g) {
    auto group = kept(ctx);
    // Gloo has no reduce-scatter of its own worth having: an all-to-all moves each gradient once, and
    // the sum is made in the order of the ranks.
    auto all = exchange(*group, g[0]);
    auto size = all.sizes().vec();
    size[0] /= group->getSize();
    size.insert(size.begin(), group->getSize());
    return {all.view(size).sum(0), Tensor()};
  }
};

struct Exchange : torch::autograd::Function<Exchange> {
  static Tensor forward(AutogradContext* ctx, const Tensor& blocks, const c10::intrusive_ptr<Group>& group) {
    keep(ctx, group);
    return exchange(*group, blocks);
  }
  static variable_list backward(AutogradContext* ctx, variable_list g) {
    return {exchange(*kept(ctx), g[0]), Tensor()};
  }
};

// x (n, channels, ...) times a and plus b, which hold a number for each channel: batch norm's kernel does it in
// one pass, where operations on shapes that differ take several.
Tensor scaled(const Tensor& x, const Tensor& a, const std::optional<Tensor>& b) {
  auto zero = at::zeros_like(a), one = at::ones_like(a);
  return std::get<0>(at::native_batch_norm(x.to(at::kFloat), a, b, zero, one, false, 0.0, 0.0));
}

// Batch norm by the statistics of all processes, which hold equally many values each. libtorch's own
// kernels do the work on the rows; 2C floats are gathered forward and 2C summed backward.
struct BatchNorm : torch::autograd::Function<BatchNorm> {
  static Tensor forward(AutogradContext* ctx, const Tensor& x, const std::optional<Tensor>& weight,
      const std::optional<Tensor>& bias, const std::optional<Tensor>& running_mean,
      const std::optional<Tensor>& running_var, double momentum, double eps, const c10::intrusive_ptr<Group>& group) {
    auto c = x.size(1);
    auto [mean_own, var_own] = at::batch_norm_update_stats(x.to(at::kFloat), std::nullopt, std::nullopt, 0.0);
    auto all = gather(*group, at::cat({mean_own, var_own}).unsqueeze(0));
    auto means = all.narrow(1, 0, c), vars = all.narrow(1, c, c);
    auto mean = means.mean(0);
    auto var = (vars + (means - mean).square()).mean(0);
    double total = (double)(x.numel() / c) * group->getSize();
    if (running_mean) {
      running_mean->lerp_(mean, momentum);
      running_var->lerp_(var * (total / (total - 1)), momentum);
    }
    auto y = std::get<0>(at::native_batch_norm(x, weight, bias, mean, var, false, momentum, eps));
    keep(ctx, group);
    ctx->saved_data["eps"] = eps;
    ctx->saved_data["total"] = total;
    ctx->save_for_backward({x, weight.value_or(Tensor()), mean, var});
    return y;
  }
  static variable_list backward(AutogradContext* ctx, variable_list g) {
    auto saved = ctx->get_saved_variables();
    auto &x = saved[0], &weight = saved[1], &mean = saved[2], &var = saved[3];
    auto group = kept(ctx);
    auto eps = ctx->saved_data["eps"].toDouble(), total = ctx->saved_data["total"].toDouble();
    auto scale = weight.defined() ? weight.detach() : at::ones_like(mean);
    auto dy = g[0].contiguous(x.suggest_memory_format());
    auto [none, gw, gb] = at::native_batch_norm_backward(
        dy, x, scale, mean, var, std::nullopt, std::nullopt, false, eps, {false, true, true});
    auto sums = at::cat({gb, gw}).to(at::kFloat);
    reduce(*group, sums, c10d::ReduceOp::SUM);
    auto c = x.size(1);
    auto invstd = (var + eps).rsqrt();
    auto offset = scale * invstd * sums.narrow(0, 0, c) / total;
    auto slope = scale * invstd.square() * sums.narrow(0, c, c) / total;
    auto dx = scaled(dy, scale * invstd, std::nullopt);
    dx.sub_(scaled(x, slope, offset - slope * mean));
    // The gradients of weight and bias are those of own rows: they are summed with all others.
    return {dx.to(x.scalar_type()), weight.defined() ? gw : Tensor(), weight.defined() ? gb : Tensor(),
        Tensor(), Tensor(), Tensor(), Tensor(), Tensor()};
  }
};

std::optional<Tensor> some(Tensor* tensor) {
  return tensor ? std::optional<Tensor>(*tensor) : std::nullopt;
}

}  // namespace

extern "C" {

void e2mc_free(void* memory) noexcept { free(memory); }

// Joins the store of the run `prefix` at `host`. With `listen_fd` >= 0 this process serves it, on that
// socket, which listens already and is taken over.
char* e2mc_store(const char* host, int port, int listen_fd, const char* prefix, int64_t timeout_ms,
    E2mcStore** out) noexcept {
  return guarded([&] {
    // c10d logs what it throws as well, with its stack; errors alone are for the user.
    if (!getenv("TORCH_CPP_LOG_LEVEL")) FLAGS_caffe2_log_level = 3;
    c10d::TCPStoreOptions options;
    options.port = port;
    options.isServer = listen_fd >= 0;
    options.waitWorkers = false;  // who is missing is found out by the callers
    options.timeout = std::chrono::milliseconds(timeout_ms);
    if (listen_fd >= 0) options.masterListenFd = listen_fd;
    auto tcp = c10::make_intrusive<c10d::TCPStore>(host, options);
    *out = new E2mcStore{c10::make_intrusive<c10d::PrefixStore>(prefix, tcp)};
  });
}
void e2mc_store_free(E2mcStore* store) noexcept {
  free(guarded([&] { delete store; }));
}
char* e2mc_store_set(E2mcStore* store, const char* key, const uint8_t* value, size_t length) noexcept {
  return guarded([&] { store->store->set(key, std::vector<uint8_t>(value, value + length)); });
}
// Counts up under `key`; `*out` is the new number. No two processes get the same.
char* e2mc_store_count(E2mcStore* store, const char* key, int64_t* out) noexcept {
  return guarded([&] { *out = store->store->add(key, 1); });
}
// Leaves `*out` alone where there is no such key.
char* e2mc_store_get(E2mcStore* store, const char* key, uint8_t** out, size_t* length) noexcept {
  return guarded([&] {
    if (!store->store->check({key})) return;
    auto value = store->store->get(key);
    *length = value.size();
    *out = static_cast<uint8_t*>(malloc(value.size() + 1));
    memcpy(*out, value.data(), value.size());
  });
}

// The version of the libtorch that is loaded, which its headers need not be of. `*out` is to be freed with
// e2mc_free.
char* e2mc_libtorch_version(char** out) noexcept {
  return guarded([&] {
    const std::string known = at::show_config(), name = "TORCH_VERSION=";
    auto start = known.find(name);
    TORCH_CHECK(start != std::string::npos, "libtorch does not say its version");
    start += name.size();
    *out = strdup(known.substr(start, known.find_first_of(", \n", start) - start).c_str());
  });
}

// Nanoseconds spent in exchanges since the process began.
int64_t e2mc_exchanged() noexcept { return exchanged; }

// Whether groups on CUDA devices are compiled in.
bool e2mc_has_nccl() noexcept {
#ifdef USE_C10D_NCCL
  return true;
#else
  return false;
#endif
}

// Forms the group over `interface`, or over the network device that has `address`. Where all processes are
// on one machine, tensors on the CPU go through shared memory where that is faster (see nearby.hpp).
char* e2mc_group(E2mcStore* store, int rank, int size, bool one_machine, const char* interface,
    const char* address, bool cuda, int64_t timeout_ms, E2mcGroup** out) noexcept {
  return guarded([&] {
    std::chrono::milliseconds timeout(timeout_ms);
    auto of = [&](const char* name) { return c10::make_intrusive<c10d::PrefixStore>(name, store->store); };
    auto made = std::make_unique<E2mcGroup>();
    made->group = c10::make_intrusive<Group>(store->store, rank, size);
    auto options = c10d::ProcessGroupGloo::Options::create(timeout);
    options->devices = {interface ? c10d::ProcessGroupGloo::createDeviceForInterface(interface)
                                  : c10d::ProcessGroupGloo::createDeviceForHostname(address)};
    auto gloo = c10::make_intrusive<c10d::ProcessGroupGloo>(of("gloo"), rank, size, options);
    gloo->setSequenceNumberForGroup();
    c10::intrusive_ptr<c10d::Backend> cpu = gloo;
#ifdef __linux__
    if (one_machine) {
      c10d::PrefixStore nearby("nearby", store->store);
      if (auto memory = nearby::Memory::share(nearby, rank, size)) {
        cpu = c10::make_intrusive<nearby::Backend>(std::move(memory), gloo, timeout);
      }
    }
#endif
    made->group->setBackend(c10::kCPU, Group::GLOO, cpu);
    made->group->setDefaultBackend(Group::GLOO);
#ifdef USE_C10D_NCCL
    if (cuda) {
      auto options = c10d::ProcessGroupNCCL::Options::create();
      options->timeout = timeout;
      auto nccl = c10::make_intrusive<c10d::ProcessGroupNCCL>(of("nccl"), rank, size, options);
      nccl->setSequenceNumberForGroup();
      made->group->setBackend(c10::kCUDA, Group::NCCL, nccl);
      made->group->setDefaultBackend(Group::NCCL);
    }
#else
    TORCH_CHECK(!cuda, "built without NCCL");
#endif
    *out = made.release();
  });
}
// Whether the group's processes share memory.
bool e2mc_group_shares_memory(E2mcGroup* group) noexcept {
  bool shares = false;
  free(guarded([&] { shares = group->group->getBackend(c10::kCPU)->getBackendName() == "nearby"; }));
  return shares;
}
void e2mc_group_free(E2mcGroup* group) noexcept {
  free(guarded([&] { delete group; }));
}

// In place.
char* e2mc_sum(E2mcGroup* group, Tensor* tensor) noexcept {
  return guarded([&] {
    at::NoGradGuard guard;
    reduce(*group->group, *tensor, c10d::ReduceOp::SUM);
  });
}
char* e2mc_max(E2mcGroup* group, Tensor* tensor) noexcept {
  return guarded([&] {
    at::NoGradGuard guard;
    reduce(*group->group, *tensor, c10d::ReduceOp::MAX);
  });
}

// Those that gradients flow through. `*out` belongs to the caller.
char* e2mc_gather(E2mcGroup* group, Tensor* rows, Tensor** out) noexcept {
  return guarded([&] { *out = new Tensor(Gather::apply(*rows, group->group)); });
}
char* e2mc_exchange(E2mcGroup* group, Tensor* blocks, Tensor** out) noexcept {
  return guarded([&] { *out = new Tensor(Exchange::apply(*blocks, group->group)); });
}
char* e2mc_batch_norm(E2mcGroup* group, Tensor* x, Tensor* weight, Tensor* bias, Tensor* running_mean,
    Tensor* running_var, double momentum, double eps, Tensor** out) noexcept {
  return guarded([&] {
    *out = new Tensor(BatchNorm::apply(
        *x, some(weight), some(bias), some(running_mean), some(running_var), momentum, eps, group->group));
  });
}

// Gets ready for the backward pass from `loss`, which will then sum the gradients of those of the parameters that it
// reaches, and end once all are summed. `*reducer` is null or what an earlier call left there; it belongs to the
// caller, and is replaced where the parameters or their order are others than before.
char* e2mc_reducer_prepare(E2mcGroup* group, Tensor* loss, Tensor* const* parameters, size_t count,
    E2mcReducer** reducer) noexcept {
  return guarded([&] {
    auto reached = reducer::reached(*loss, parameters, count);
    if (*reducer && !(*reducer)->is_of(reached)) delete std::exchange(*reducer, nullptr);
    if (reached.empty()) return;
    if (!*reducer) *reducer = new E2mcReducer(group->group, reached);
    (*reducer)->prepare_for_backward({});
  });
}
void e2mc_reducer_free(E2mcReducer* reducer) noexcept {
  free(guarded([&] { delete reducer; }));
}
}
