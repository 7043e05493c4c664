//! The functions of `shim/world.cpp`, behind safe ones: the run's store, and the group that
//! exchanges tensors.

use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::os::fd::{IntoRawFd, OwnedFd};
use std::ptr::{self, NonNull};
use std::time::Duration;

use tch::Tensor;

/// What libtorch said.
pub(super) type Message = String;

#[repr(C)]
struct RawStore {
    _private: [u8; 0],
}

#[repr(C)]
struct RawGroup {
    _private: [u8; 0],
}

#[repr(C)]
struct RawReducer {
    _private: [u8; 0],
}

/// A pointer to a tensor of libtorch.
type Raw = *const c_void;

unsafe extern "C" {
    fn e2mc_free(memory: *mut c_void);
    fn e2mc_store(
        host: *const c_char,
        port: c_int,
        listen_fd: c_int,
        prefix: *const c_char,
        timeout_ms: i64,
        out: *mut *mut RawStore,
    ) -> *mut c_char;
    fn e2mc_store_free(store: *mut RawStore);
    fn e2mc_store_set(
        store: *mut RawStore,
        key: *const c_char,
        value: *const u8,
        length: usize,
    ) -> *mut c_char;
    fn e2mc_store_count(store: *mut RawStore, key: *const c_char, out: *mut i64) -> *mut c_char;
    fn e2mc_store_get(
        store: *mut RawStore,
        key: *const c_char,
        out: *mut *mut u8,
        length: *mut usize,
    ) -> *mut c_char;
    fn e2mc_libtorch_version(out: *mut *mut c_char) -> *mut c_char;
    fn e2mc_exchanged() -> i64;
    fn e2mc_has_nccl() -> bool;
    fn e2mc_group(
        store: *mut RawStore,
        rank: c_int,
        size: c_int,
        one_machine: bool,
        interface: *const c_char,
        address: *const c_char,
        cuda: bool,
        timeout_ms: i64,
        out: *mut *mut RawGroup,
    ) -> *mut c_char;
    fn e2mc_group_shares_memory(group: *mut RawGroup) -> bool;
    fn e2mc_group_free(group: *mut RawGroup);
    fn e2mc_sum(group: *mut RawGroup, tensor: Raw) -> *mut c_char;
    fn e2mc_max(group: *mut RawGroup, tensor: Raw) -> *mut c_char;
    fn e2mc_gather(group: *mut RawGroup, rows: Raw, out: *mut Raw) -> *mut c_char;
    fn e2mc_exchange(group: *mut RawGroup, blocks: Raw, out: *mut Raw) -> *mut c_char;
    fn e2mc_batch_norm(
        group: *mut RawGroup,
        x: Raw,
        weight: Raw,
        bias: Raw,
        running_mean: Raw,
        running_var: Raw,
        momentum: f64,
        eps: f64,
        out: *mut Raw,
    ) -> *mut c_char;
    fn e2mc_reducer_prepare(
        group: *mut RawGroup,
        loss: Raw,
        parameters: *const Raw,
        count: usize,
        reducer: *mut *mut RawReducer,
    ) -> *mut c_char;
    fn e2mc_reducer_free(reducer: *mut RawReducer);
}

/// Takes over a text that a function made, if it made one.
fn text(text: *mut c_char) -> Option<String> {
    if text.is_null() {
        return None;
    }
    // SAFETY: what is not null is a C string that belongs to the caller, and is freed once.
    unsafe {
        let copy = CStr::from_ptr(text).to_string_lossy().into_owned();
        e2mc_free(text.cast());
        Some(copy)
    }
}

/// Takes over the message of a function that failed.
fn check(message: *mut c_char) -> Result<(), Message> {
    text(message).map_or(Ok(()), Err)
}

fn c_string(text: &str) -> Result<CString, Message> {
    CString::new(text).map_err(|_| format!("{text:?} holds a zero byte"))
}

fn milliseconds(time: Duration) -> i64 {
    i64::try_from(time.as_millis()).unwrap_or(i64::MAX)
}

fn raw(tensor: &Tensor) -> Raw {
    tensor.as_ptr().cast()
}

fn raw_or_null(tensor: Option<&Tensor>) -> Raw {
    tensor.map_or(ptr::null(), raw)
}

/// Takes over a tensor that a function made.
fn owned(tensor: Raw) -> Tensor {
    // SAFETY: the shim's functions give a new tensor, which belongs to the caller, where they
    // succeed.
    unsafe { Tensor::from_ptr(tensor.cast_mut().cast()) }
}

/// The version of the libtorch that is loaded, as it says itself.
pub fn libtorch_version() -> String {
    let mut out = ptr::null_mut();
    // SAFETY: `out` lives through the call.
    let failed = check(unsafe { e2mc_libtorch_version(&raw mut out) });
    let version = text(out).filter(|_| failed.is_ok());
    version.unwrap_or_else(|| "unknown".into())
}

/// How long this process has spent in exchanges since it began.
pub(super) fn exchanged() -> Duration {
    // SAFETY: a function without arguments that reads a counter.
    Duration::from_nanos(unsafe { e2mc_exchanged() }.unsigned_abs())
}

/// Whether groups on CUDA devices are compiled in.
pub(super) fn has_nccl() -> bool {
    // SAFETY: a function without arguments that reads a constant.
    unsafe { e2mc_has_nccl() }
}

/// Texts by key that all processes of a run share.
#[derive(Debug)]
pub(super) struct Store(NonNull<RawStore>);

// SAFETY: c10d's TCPStore locks around each of its operations.
unsafe impl Send for Store {}
// SAFETY: as above.
unsafe impl Sync for Store {}

impl Store {
    /// Joins the store at `host`; serves it first where there is a socket, which listens already.
    pub(super) fn join(
        host: &str,
        port: u16,
        listener: Option<OwnedFd>,
        prefix: &str,
        timeout: Duration,
    ) -> Result<Self, Message> {
        let (host, prefix) = (c_string(host)?, c_string(prefix)?);
        let fd = listener.map_or(-1, IntoRawFd::into_raw_fd);
        let mut out = ptr::null_mut();
        // SAFETY: the strings live through the call, the descriptor is handed over.
        check(unsafe {
            e2mc_store(
                host.as_ptr(),
                port.into(),
                fd,
                prefix.as_ptr(),
                milliseconds(timeout),
                &raw mut out,
            )
        })?;
        NonNull::new(out).map(Self).ok_or_else(|| "no store".into())
    }

    pub(super) fn set(&self, key: &str, value: &str) -> Result<(), Message> {
        let key = c_string(key)?;
        // SAFETY: key and value live through the call.
        check(unsafe { e2mc_store_set(self.0.as_ptr(), key.as_ptr(), value.as_ptr(), value.len()) })
    }

    /// Counts up under `key`, and gives the new number, from 1: no two processes get the same.
    pub(super) fn count(&self, key: &str) -> Result<i64, Message> {
        let key = c_string(key)?;
        let mut out = 0;
        // SAFETY: key and `out` live through the call.
        check(unsafe { e2mc_store_count(self.0.as_ptr(), key.as_ptr(), &raw mut out) })?;
        Ok(out)
    }

    /// What stands under `key` now, if anything does.
    pub(super) fn get(&self, key: &str) -> Result<Option<String>, Message> {
        let key = c_string(key)?;
        let (mut out, mut length) = (ptr::null_mut(), 0);
        // SAFETY: the key lives through the call; the memory that comes back is copied and freed
        // once.
        unsafe {
            check(e2mc_store_get(
                self.0.as_ptr(),
                key.as_ptr(),
                &raw mut out,
                &raw mut length,
            ))?;
            if out.is_null() {
                return Ok(None);
            }
            let bytes = std::slice::from_raw_parts(out, length);
            let text = String::from_utf8_lossy(bytes).into_owned();
            e2mc_free(out.cast());
            Ok(Some(text))
        }
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        // SAFETY: the pointer is ours and used no more.
        unsafe { e2mc_store_free(self.0.as_ptr()) }
    }
}

/// The processes, connected. Each of its operations is done by all of them, in the same order.
#[derive(Debug)]
pub(super) struct Group(NonNull<RawGroup>);

// SAFETY: the pointer may be used from any thread; operations follow each other through `&self` of
// one owner.
unsafe impl Send for Group {}
// SAFETY: as above: c10d's process groups lock their queues.
unsafe impl Sync for Group {}

impl Group {
    /// Connects to the others, over the network device `interface` or the one with `address`. Where
    /// they are all on `one_machine`, they share memory.
    pub(super) fn join(
        store: &Store,
        (rank, size): (usize, usize),
        one_machine: bool,
        interface: Option<&str>,
        address: &str,
        cuda: bool,
        timeout: Duration,
    ) -> Result<Self, Message> {
        let interface = interface.map(c_string).transpose()?;
        let address = c_string(address)?;
        let mut out = ptr::null_mut();
        // SAFETY: store and strings live through the call; the group keeps what it needs of them.
        check(unsafe {
            e2mc_group(
                store.0.as_ptr(),
                rank as c_int,
                size as c_int,
                one_machine,
                interface.as_ref().map_or(ptr::null(), |name| name.as_ptr()),
                address.as_ptr(),
                cuda,
                milliseconds(timeout),
                &raw mut out,
            )
        })?;
        NonNull::new(out).map(Self).ok_or_else(|| "no group".into())
    }

    /// Whether tensors on the CPU go through memory that the processes share.
    pub(super) fn shares_memory(&self) -> bool {
        // SAFETY: the pointer lives through the call.
        unsafe { e2mc_group_shares_memory(self.0.as_ptr()) }
    }

    /// Replaces the tensor's numbers by their sums over the processes.
    pub(super) fn sum(&self, tensor: &Tensor) -> Result<(), Message> {
        // SAFETY: both pointers live through the call.
        check(unsafe { e2mc_sum(self.0.as_ptr(), raw(tensor)) })
    }

    /// Replaces the tensor's numbers by the largest of the processes.
    pub(super) fn max(&self, tensor: &Tensor) -> Result<(), Message> {
        // SAFETY: both pointers live through the call.
        check(unsafe { e2mc_max(self.0.as_ptr(), raw(tensor)) })
    }

    pub(super) fn gather(&self, rows: &Tensor) -> Result<Tensor, Message> {
        let mut out = ptr::null();
        // SAFETY: the pointers live through the call.
        check(unsafe { e2mc_gather(self.0.as_ptr(), raw(rows), &raw mut out) })?;
        Ok(owned(out))
    }

    pub(super) fn exchange(&self, blocks: &Tensor) -> Result<Tensor, Message> {
        let mut out = ptr::null();
        // SAFETY: the pointers live through the call.
        check(unsafe { e2mc_exchange(self.0.as_ptr(), raw(blocks), &raw mut out) })?;
        Ok(owned(out))
    }

    pub(super) fn batch_norm(&self, x: &Tensor, norm: Norm<'_>) -> Result<Tensor, Message> {
        let (weight, bias) = norm.affine.unzip();
        let (mean, var) = norm.running.unzip();
        let mut out = ptr::null();
        // SAFETY: the pointers live through the call, and null stands for none.
        check(unsafe {
            e2mc_batch_norm(
                self.0.as_ptr(),
                raw(x),
                raw_or_null(weight),
                raw_or_null(bias),
                raw_or_null(mean),
                raw_or_null(var),
                norm.momentum,
                norm.epsilon,
                &raw mut out,
            )
        })?;
        Ok(owned(out))
    }

    /// Gets ready for the backward pass from `loss`: it sums the gradients of those of the
    /// parameters that it reaches, and ends once all are summed.
    pub(super) fn prepare<'a>(
        &self,
        reducer: &mut Reducer,
        loss: &Tensor,
        parameters: impl Iterator<Item = &'a Tensor>,
    ) -> Result<(), Message> {
        let parameters: Vec<Raw> = parameters.map(raw).collect();
        // SAFETY: the pointers live through the call; the reducer keeps what it needs of them.
        check(unsafe {
            e2mc_reducer_prepare(
                self.0.as_ptr(),
                raw(loss),
                parameters.as_ptr(),
                parameters.len(),
                &raw mut reducer.0,
            )
        })
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        // SAFETY: the pointer is ours and used no more.
        unsafe { e2mc_group_free(self.0.as_ptr()) }
    }
}

/// What sums gradients while a backward pass computes them: nothing until it is prepared
/// ([`Group::prepare`]), then for as long as the same parameters are trained.
#[derive(Debug)]
pub(super) struct Reducer(*mut RawReducer);

// SAFETY: the pointer is used through `&mut self` of one owner alone; c10d's Reducer locks against
// the threads of a backward pass.
unsafe impl Send for Reducer {}
// SAFETY: nothing can be done through `&self`.
unsafe impl Sync for Reducer {}

impl Default for Reducer {
    fn default() -> Self {
        Self(ptr::null_mut())
    }
}

impl Drop for Reducer {
    fn drop(&mut self) {
        // SAFETY: the pointer is ours and used no more; null is nothing to free.
        unsafe { e2mc_reducer_free(self.0) }
    }
}

/// What batch norm needs beside its input.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Norm<'a> {
    /// Weight and bias.
    pub(crate) affine: Option<(&'a Tensor, &'a Tensor)>,
    /// Running mean and variance, where they are to move.
    pub(crate) running: Option<(&'a Tensor, &'a Tensor)>,
    /// How far one batch moves them.
    pub(crate) momentum: f64,
    /// What is added to the variance.
    pub(crate) epsilon: f64,
}
