//! Bodies as they arrive, in every framing.
