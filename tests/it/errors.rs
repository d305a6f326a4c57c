//! Every error arrives: what is sent of it fits into the headers that all clients take, whatever a request holds.

use std::collections::HashMap;

use mailagent::testing::{api::DESCRIPTORS, domain::Scope};
use mailagent_client::{tonic_types::StatusExt, v1};
use prost::{
    Message,
    encoding::{WireType, encode_key, encode_varint},
};
use prost_types::{DescriptorProto, FieldDescriptorProto, FileDescriptorSet, field_descriptor_proto::Type};
use reqwest::header::HeaderMap;
use tonic::Code;

use crate::harness::{Harness, TENANT, metadata, reason};

/// Entries of a list at the top of a request, and of those within.
const MANY: [usize; 2] = [501, 5];

/// Requests in which as much as possible is wrong, made from their description.
struct Wrong {
    messages: HashMap<String, DescriptorProto>,
    text: String,
    number: u64,
}

impl Wrong {
    fn message(&self, name: &str, depth: usize) -> Vec<u8> {
        let mut out = Vec::new();
        let Some(message) = self.messages.get(name).filter(|_| depth < 4) else {
            return out;
        };
        for field in &message.field {
            let many = field.label() == prost_types::field_descriptor_proto::Label::Repeated;
            let count = if many { *MANY.get(depth).unwrap_or(&3) } else { 1 };
            for index in 0..count {
                self.field(field, index, depth, &mut out);
            }
        }
        out
    }

    fn field(&self, field: &FieldDescriptorProto, index: usize, depth: usize, out: &mut Vec<u8>) {
        let number = u32::try_from(field.number()).unwrap();
        let bytes = match field.r#type() {
            Type::String => format!("{}{index}", self.text).into_bytes(),
            Type::Bytes => vec![0xFF; 10],
            Type::Message => self.message(field.type_name().trim_start_matches('.'), depth + 1),
            Type::Bool => {
                encode_key(number, WireType::Varint, out);
                return encode_varint(1, out);
            }
            _ => {
                encode_key(number, WireType::Varint, out);
                return encode_varint(self.number, out);
            }
        };
        encode_key(number, WireType::LengthDelimited, out);
        encode_varint(bytes.len() as u64, out);
        out.extend(bytes);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_error_of_every_method_arrives() {
    let h = Harness::new().await;
    h.seed().await;
    let token = h.token(TENANT, "anna", Scope::ALL);
    let files = FileDescriptorSet::decode(DESCRIPTORS).unwrap().file;
    let mut messages = HashMap::new();
    for file in &files {
        for message in &file.message_type {
            messages.insert(format!("{}.{}", file.package(), message.name()), message.clone());
        }
    }
    let negative = u64::MAX;
    let texts = [
        ("\u{7}bad ".repeat(60), negative),
        ("\u{1f600}".repeat(80), 99),
        ("unknown_path.of-it".to_owned(), 1),
        (String::new(), negative),
        ("messages/01J00000000000000000000000".to_owned(), 0),
    ];
    let (mut errors, mut violations) = (0, 0);
    for (text, number) in texts {
        let wrong = Wrong {
            messages: messages.clone(),
            text,
            number,
        };
        for file in files.iter().filter(|file| file.package() == "mailagent.v1") {
            for service in &file.service {
                for method in &service.method {
                    let request = wrong.message(method.input_type().trim_start_matches('.'), 0);
                    let path = format!("mailagent.v1.{}/{}", service.name(), method.name());
                    // The size of the headers is looked at there.
                    let Err(status) = h.call(&path, &token, &request, HeaderMap::new()).await else {
                        continue;
                    };
                    errors += 1;
                    let listed = status.get_details_bad_request().map_or(0, |bad| bad.field_violations.len());
                    violations += listed;
                    if status.code() == Code::InvalidArgument && reason(&status) == "FIELDS_INVALID" {
                        assert!(
                            listed > 0 && metadata(&status, "violationCount").parse::<usize>().unwrap() >= listed,
                            "{path}: {status:?}"
                        );
                    }
                }
            }
        }
    }
    assert!(errors > 150 && violations > 300, "{errors} errors with {violations} violations");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_of_wrong_records_is_told_as_far_as_it_fits() {
    let h = Harness::new().await;
    let mut client = h.client().await;
    let wrong = |index: usize| v1::User {
        name: format!("nobody/{index}"),
        email_addresses: vec!["not an address".to_owned()],
        revision: -1,
        ..Default::default()
    };
    let request = v1::BatchUpsertUsersRequest {
        users: (0..500).map(wrong).collect(),
    };
    let status = client.directory.batch_upsert_users(request).await.unwrap_err();
    assert_eq!(status.code(), Code::InvalidArgument);
    let listed = status.get_details_bad_request().unwrap().field_violations;
    let count: usize = metadata(&status, "violationCount").parse().unwrap();
    assert!(count >= 1_500, "{count}");
    assert!(listed.len() > 10, "{listed:?}");
    let (last, named) = listed.split_last().unwrap();
    assert!(named.iter().all(|violation| violation.field.starts_with("users[")), "{named:?}");
    assert!(
        last.description.starts_with(&format!("{} more violations", count - named.len())),
        "{last:?}"
    );
}
