//! Reports are decoded, pushes go out as they are.

use bulkhead_proto::Report;
use bytes::BufMut;
use prost::Message;
use tonic::Status;
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};

use crate::publish::Frame;

/// The codec.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Frames;

impl Codec for Frames {
    type Encode = Frame;
    type Decode = Report;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        Self
    }

    fn decoder(&mut self) -> Self {
        Self
    }
}

impl Encoder for Frames {
    type Item = Frame;
    type Error = Status;

    fn encode(&mut self, frame: Frame, out: &mut EncodeBuf<'_>) -> Result<(), Status> {
        out.reserve(frame.len());
        out.put(frame.0);
        Ok(())
    }
}

impl Decoder for Frames {
    type Item = Report;
    type Error = Status;

    fn decode(&mut self, buffer: &mut DecodeBuf<'_>) -> Result<Option<Report>, Status> {
        Report::decode(buffer).map(Some).map_err(|error| Status::invalid_argument(error.to_string()))
    }
}
