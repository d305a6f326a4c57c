//! Makes generated messages print without the secrets in them. Shared by `build.rs` of the service.

use std::{error::Error, fmt::Write, fs, path::Path};

use prost_types::{DescriptorProto, FileDescriptorSet, field_descriptor_proto::Type};

/// Paths of the messages that have a secret, for the generator's `skip_debug`.
pub fn messages(descriptors: &FileDescriptorSet) -> Vec<String> {
    found(descriptors).map(|(path, _)| path).collect()
}

/// Appends to the generated file of `package` what prints those messages: everything but the secrets.
pub fn append(descriptors: &FileDescriptorSet, package: &str, file: &Path) -> Result<(), Box<dyn Error>> {
    let mut code = fs::read_to_string(file)?;
    for (path, message) in found(descriptors) {
        let name = path.strip_prefix(package).and_then(|rest| rest.strip_prefix('.'));
        let name = name.filter(|name| !name.contains('.'));
        let name = name.ok_or_else(|| format!("{path} has a secret and is no message of {package} itself"))?;
        write!(
            code,
            "impl ::core::fmt::Debug for {name} {{\n    \
                fn fmt(&self, f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {{\n        \
                    f.debug_struct(\"{name}\")\n"
        )?;
        for field in &message.field {
            let (field, secret) = (field.name(), is_secret(field.name(), field.r#type()));
            // Whether there is one may be seen.
            let value = if secret {
                format!("&if self.{field}.is_empty() {{ \"\" }} else {{ \"[secret]\" }}")
            } else {
                format!("&self.{field}")
            };
            writeln!(code, "            .field(\"{field}\", {value})")?;
        }
        code += "            .finish()\n    }\n}\n";
    }
    fs::write(file, code)?;
    Ok(())
}

fn found(descriptors: &FileDescriptorSet) -> impl Iterator<Item = (String, &DescriptorProto)> {
    descriptors.file.iter().flat_map(|file| {
        let messages = file.message_type.iter();
        messages
            .filter(|message| has_secret(message))
            .map(move |message| (format!("{}.{}", file.package(), message.name()), message))
    })
}

fn has_secret(message: &DescriptorProto) -> bool {
    message.field.iter().any(|field| is_secret(field.name(), field.r#type()))
}

/// Whether a field holds a secret, by its name. `password_set` and the like are no texts.
fn is_secret(name: &str, kind: Type) -> bool {
    let secret = [
        "password",
        "secret",
        "refresh_token",
        "access_token",
        "private_key",
        "authorization_code",
    ];
    matches!(kind, Type::String | Type::Bytes) && secret.iter().any(|word| name == *word || name.ends_with(&format!("_{word}")))
}
