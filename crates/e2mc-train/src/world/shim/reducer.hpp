// Sums of gradients over the processes that go on while the backward pass computes the next gradients, by DDP's own
// Reducer: it lays gradients into buckets and hands a bucket to a hook as soon as all its gradients are there.
//
// Exchanges are matched by their order alone, and the backward pass has others between the buckets: those of batch
// norm, gathers and all-to-alls. All processes issue them in the same order, because
// - the autograd engine runs a device's nodes on one thread, of those that are ready always the one that came last
//   in the forward pass; the graph is the same in all processes, so their nodes run in the same order;
// - the hook of a parameter runs on that thread too, straight after its gradient is complete; the Reducer starts a
//   bucket within such a hook, and buckets in the order of their numbers;
// - which parameter is in which bucket follows from the graph alone. The time when gradients arrive has no part in
//   it, nor has an earlier step: a run that resumes adds up in the same order.
#pragma once

#include <algorithm>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

#include <ATen/ATen.h>
#include <torch/csrc/autograd/engine.h>
#include <torch/csrc/autograd/variable.h>
#include <torch/csrc/distributed/c10d/ProcessGroup.hpp>
#include <torch/csrc/distributed/c10d/reducer.hpp>

#include "timed.hpp"

namespace reducer {

// The first bucket is small, so that its sum starts early. Both are DDP's own sizes.
constexpr size_t FIRST_BYTES = c10d::kDefaultFirstBucketBytes;
constexpr size_t BYTES = c10d::kDefaultBucketBytesCap;

// Those of the parameters that a backward pass from `loss` reaches, in about the order in which it completes their
// gradients. The engine runs what the forward pass did last first, so a gradient is complete after the first
// operation that used the parameter.
inline std::vector<at::Tensor> reached(const at::Tensor& loss, at::Tensor* const* parameters, size_t count) {
  using torch::autograd::Node;
  constexpr uint64_t NEVER = UINT64_MAX;
  std::unordered_map<const Node*, uint64_t> first_use;
  std::vector<std::shared_ptr<Node>> leaves(count);
  for (size_t i = 0; i < count; i++) {
    leaves[i] = torch::autograd::impl::try_get_grad_accumulator(*parameters[i]);
    if (leaves[i]) first_use[leaves[i].get()] = NEVER;
  }
  std::vector<Node*> open;
  std::unordered_set<const Node*> seen;
  if (loss.grad_fn()) open.push_back(loss.grad_fn().get());
  while (!open.empty()) {
    auto node = open.back();
    open.pop_back();
    for (auto& edge : node->next_edges()) {
      auto next = edge.function.get();
      if (!next) continue;
      auto leaf = first_use.find(next);
      if (leaf != first_use.end()) {
        leaf->second = std::min(leaf->second, node->sequence_nr());
      } else if (seen.insert(next).second) {
        open.push_back(next);
      }
    }
  }
  std::vector<std::pair<uint64_t, size_t>> order;
  for (size_t i = 0; i < count; i++) {
    auto use = leaves[i] ? first_use[leaves[i].get()] : NEVER;
    if (use != NEVER) order.emplace_back(use, i);
  }
  std::sort(order.rbegin(), order.rend());
  std::vector<at::Tensor> found;
  for (auto& [use, i] : order) found.push_back(*parameters[i]);
  return found;
}

// Starts the sum of a bucket's gradients. They are not divided: each process's loss is its share of the whole.
class Sum : public c10d::CommHookInterface {
 public:
  explicit Sum(c10::intrusive_ptr<c10d::ProcessGroup> group) : group(std::move(group)) {}

  c10::intrusive_ptr<c10::ivalue::Future> runHook(c10d::GradBucket& bucket) override {
    Timed timed;
    if (bucket.getIndex() == 0) started.clear();
    std::vector<at::Tensor> one{bucket.getBuffer()};
    c10d::AllreduceOptions options;
    options.reduceOp = c10d::ReduceOp::SUM;
    started.push_back(group->allreduce(one, options));
    // At the end of the backward pass all sums are waited for here, where the time is counted; the Reducer asks for
    // the same afterwards, and finds every bucket done.
    if (bucket.isLast()) torch::autograd::Engine::get_default_engine().queue_callback([this] { finish(); });
    std::vector<c10::Device> devices;
    if (!one[0].is_cpu()) devices.push_back(one[0].device());
    auto bucket_itself = c10::make_intrusive<c10::ivalue::Future>(c10::TensorType::get(), std::move(devices));
    bucket_itself->markCompleted(one[0]);
    return bucket_itself;
  }
  at::Tensor parseHookResult(const c10::IValue& result) override { return result.toTensor(); }

 private:
  void finish() {
    Timed timed;
    for (auto& work : std::exchange(started, {})) work->wait();
  }

  c10::intrusive_ptr<c10d::ProcessGroup> group;
  std::vector<c10::intrusive_ptr<c10d::Work>> started;
};

using Buckets = std::vector<std::vector<size_t>>;

inline Buckets in_order(const std::vector<at::Tensor>& parameters) {
  std::vector<bool> sparse(parameters.size(), false);
  return std::get<0>(c10d::compute_bucket_assignment_by_size(parameters, {FIRST_BYTES, BYTES}, sparse));
}

}  // namespace reducer

// The Reducer of some parameters, all of which each backward pass that is prepared reaches. Their gradients are
// parts of its buckets.
class E2mcReducer : public c10d::Reducer {
 public:
  E2mcReducer(const c10::intrusive_ptr<c10d::ProcessGroup>& group, const std::vector<at::Tensor>& parameters)
      : c10d::Reducer(parameters, reducer::in_order(parameters), group, {}, reducer::BYTES,
            /*find_unused_parameters=*/false, /*gradient_as_bucket_view=*/true, {}, reducer::FIRST_BYTES,
            /*skip_all_reduce_unused_params=*/false, /*use_python_reducer=*/false, {}) {
    register_comm_hook(std::make_unique<reducer::Sum>(group));
    // Otherwise it would note the order in which gradients arrive, at every step anew, for other buckets.
    has_rebuilt_bucket_ = true;
  }

  bool is_of(const std::vector<at::Tensor>& parameters) const {
    auto same = [](const at::Tensor& a, const at::Tensor& b) { return a.is_same(b); };
    return std::equal(params_.begin(), params_.end(), parameters.begin(), parameters.end(), same);
  }
};
