//! Git as the source of modules and components: real repositories and servers, honest and hostile.

mod components;
mod export;
mod modulemd;
mod support;
