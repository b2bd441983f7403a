//! What a configuration file means, and what is said about one that means nothing.

#[cfg(test)]
mod accounts;
#[cfg(test)]
mod arbitrary;
#[cfg(test)]
mod clouds;
mod credentials;
#[cfg(test)]
mod drop_in;
#[cfg(test)]
mod files;
#[cfg(test)]
mod master_key;
#[cfg(test)]
mod mistakes;
#[cfg(test)]
mod routing;
#[cfg(test)]
mod rows;
#[cfg(test)]
mod secrets;
#[cfg(test)]
mod structure;
#[cfg(test)]
mod support;
#[cfg(test)]
mod warnings;
