//! Calls of any method with any bytes, whose every answer is evidence; and requests with a secret in every field.

use std::{collections::HashMap, sync::Arc, time::Duration};

use bytes::{Buf, BufMut, Bytes};
use http::uri::PathAndQuery;
use mailagent::testing::api::DESCRIPTORS;
use prost::{
    Message,
    encoding::{WireType, encode_key, encode_varint},
};
use prost_types::{DescriptorProto, FileDescriptorSet, field_descriptor_proto::Type};
use tokio::time::timeout;
use tokio_stream::StreamExt;
use tonic::{
    Request, Status,
    client::Grpc,
    codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder},
    metadata::MetadataValue,
    transport::{Channel, Endpoint},
};

use super::evidence::Evidence;
use crate::harness::PATIENCE;

/// How deep messages within messages are filled.
const DEPTH: usize = 4;

/// Leaves messages as they are.
#[derive(Clone, Copy, Default)]
struct Raw;

impl Codec for Raw {
    type Encode = Bytes;
    type Decode = Bytes;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        Self
    }

    fn decoder(&mut self) -> Self {
        Self
    }
}

impl Encoder for Raw {
    type Item = Bytes;
    type Error = Status;

    fn encode(&mut self, item: Bytes, into: &mut EncodeBuf<'_>) -> Result<(), Status> {
        into.put(item);
        Ok(())
    }
}

impl Decoder for Raw {
    type Item = Bytes;
    type Error = Status;

    fn decode(&mut self, from: &mut DecodeBuf<'_>) -> Result<Option<Bytes>, Status> {
        let length = from.remaining();
        Ok(Some(from.copy_to_bytes(length)))
    }
}

/// Calls the service and keeps what it answers.
#[derive(Clone)]
pub struct Caller {
    channel: Channel,
    /// The whole value of the header, such as `Bearer TOKEN`.
    authorization: String,
    evidence: Arc<Evidence>,
}

impl Caller {
    pub async fn new(url: &str, authorization: &str, evidence: &Arc<Evidence>) -> Self {
        let endpoint = Endpoint::from_shared(url.to_owned()).expect("it is a URL");
        Self {
            channel: endpoint.connect().await.expect("the service answers"),
            authorization: authorization.to_owned(),
            evidence: evidence.clone(),
        }
    }

    /// The same caller with another header.
    pub fn with(&self, authorization: &str) -> Self {
        Self {
            authorization: authorization.to_owned(),
            ..self.clone()
        }
    }

    /// Calls a method, such as `AgentService/GetAgent`, and reads its answer to the end.
    ///
    /// # Errors
    /// The status, which is evidence already.
    pub async fn call<T: Message + Default>(&self, method: &str, request: &impl Message) -> Result<T, Status> {
        let mut answers = self.raw(method, request.encode_to_vec(), |_| false).await?;
        let last = answers.pop().unwrap_or_default();
        Ok(T::decode(last).expect("the answer is of that type"))
    }

    /// Calls a method with any bytes and reads what it answers: to the end, or until `enough` is true for a message, or until it is silent
    /// for a while.
    ///
    /// # Errors
    /// As [`Caller::call`].
    pub async fn raw(&self, method: &str, request: Vec<u8>, enough: impl Fn(&[u8]) -> bool) -> Result<Vec<Bytes>, Status> {
        let channel = if method.contains("/Watch") || method.ends_with("/StreamMessages") {
            "streams of events"
        } else if method.ends_with("/ListAuditEntries") {
            "audit"
        } else {
            "responses"
        };
        let mut grpc = Grpc::new(self.channel.clone()).max_decoding_message_size(64 << 20);
        grpc.ready().await.expect("the service answers");
        let path = PathAndQuery::try_from(format!("/mailagent.v1.{method}")).expect("it is a path");
        let mut request = Request::new(tokio_stream::once(Bytes::from(request)));
        if !self.authorization.is_empty() {
            let value = MetadataValue::try_from(&self.authorization).expect("a header can have it");
            request.metadata_mut().insert("authorization", value);
        }
        let mut answers = Vec::new();
        let calling = async {
            let response = grpc.streaming(request, path, Raw).await?;
            let (metadata, mut stream, _) = response.into_parts();
            self.evidence.add(channel, method, format!("{metadata:?}"));
            while let Some(answer) = timeout(Duration::from_secs(2), stream.next()).await.ok().flatten() {
                let answer = answer?;
                self.evidence.add(channel, method, answer.clone());
                let last = enough(&answer);
                answers.push(answer);
                if last {
                    break;
                }
            }
            Ok(())
        };
        let called: Result<(), Status> = timeout(PATIENCE, calling).await.expect("the service answers in time");
        match called {
            Ok(()) => Ok(answers),
            Err(status) => {
                let shown = [
                    format!("{status:?}\n{}\n", status.message()).into_bytes(),
                    status.details().to_vec(),
                ];
                self.evidence.add("statuses", method, shown.concat());
                Err(status)
            }
        }
    }
}

/// The methods of the product, such as `AgentService/GetAgent`, each with a request that has `text` in all its texts, also where they make
/// no sense.
pub fn filled_requests(text: &str) -> Vec<(String, Vec<u8>)> {
    let set = FileDescriptorSet::decode(DESCRIPTORS).expect("the descriptors can be read");
    let mut types: HashMap<String, &DescriptorProto> = HashMap::new();
    for file in &set.file {
        for message in &file.message_type {
            let name = format!(".{}.{}", file.package(), message.name());
            types.extend(message.nested_type.iter().map(|inner| (format!("{name}.{}", inner.name()), inner)));
            types.insert(name, message);
        }
    }
    let ours = set.file.iter().filter(|file| file.package() == "mailagent.v1");
    let services = ours.flat_map(|file| &file.service);
    let methods = services.flat_map(|service| service.method.iter().map(move |method| (service.name(), method)));
    methods
        .map(|(service, method)| {
            let request = fill(&types, method.input_type(), text, DEPTH);
            (format!("{service}/{}", method.name()), request)
        })
        .collect()
}

fn fill(types: &HashMap<String, &DescriptorProto>, name: &str, text: &str, depth: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    let message = types.get(name).unwrap_or_else(|| panic!("{name} is not described"));
    for field in &message.field {
        let value = match field.r#type() {
            Type::String | Type::Bytes => text.as_bytes().to_vec(),
            Type::Message if depth > 0 => fill(types, field.type_name(), text, depth - 1),
            _ => continue,
        };
        let number = u32::try_from(field.number()).expect("numbers are positive");
        encode_key(number, WireType::LengthDelimited, &mut bytes);
        encode_varint(value.len() as u64, &mut bytes);
        bytes.extend(value);
    }
    bytes
}
