//! Each source against a service on this machine that checks what it is sent.

#[cfg(test)]
mod aws;
#[cfg(test)]
mod chain;
#[cfg(test)]
mod entra;
#[cfg(test)]
mod google;
#[cfg(test)]
mod server;
#[cfg(test)]
mod support;
