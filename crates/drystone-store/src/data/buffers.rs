//! Buffers for reading, used again and again.
//!
//! A fresh buffer of this size comes from the kernel page by page and zeroed; reading into it costs
//! more than the read. So buffers come home when the last slice of them is dropped.

use std::sync::Arc;

use bytes::Bytes;
use parking_lot::Mutex;

/// Buffers kept for later: 16 MiB of them.
const KEPT_MAX: usize = 64;

/// A home for buffers of one size.
pub(super) struct Buffers {
    size: usize,
    kept: Mutex<Vec<Vec<u8>>>,
}

impl Buffers {
    pub(super) fn new(size: usize) -> Arc<Self> {
        Arc::new(Self { size, kept: Mutex::default() })
    }

    /// A buffer of `size` bytes of anything.
    pub(super) fn take(self: &Arc<Self>, size: usize) -> Buffer {
        // A small one is cheap to make and would waste a large one.
        if size <= self.size / 2 || size > self.size {
            return Buffer { bytes: vec![0; size], size, home: None };
        }
        let kept = self.kept.lock().pop();
        let bytes = kept.unwrap_or_else(|| vec![0; self.size]);
        Buffer { bytes, size, home: Some(Arc::clone(self)) }
    }
}

/// A buffer on loan.
pub(super) struct Buffer {
    bytes: Vec<u8>,
    size: usize,
    home: Option<Arc<Buffers>>,
}

impl Buffer {
    /// All of its bytes, to fill.
    pub(super) fn bytes_mut(&mut self) -> &mut [u8] {
        self.bytes.get_mut(..self.size).expect("a buffer is at least as large as asked for")
    }

    /// Shares it; it goes home after the last slice.
    pub(super) fn share(self) -> Bytes {
        Bytes::from_owner(self)
    }
}

impl AsRef<[u8]> for Buffer {
    fn as_ref(&self) -> &[u8] {
        self.bytes.get(..self.size).expect("a buffer is at least as large as asked for")
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        if let Some(home) = self.home.take() {
            let mut kept = home.kept.lock();
            if kept.len() < KEPT_MAX {
                kept.push(std::mem::take(&mut self.bytes));
            }
        }
    }
}
