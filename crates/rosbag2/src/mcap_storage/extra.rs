//! Attachments and metadata records read from where they lie: an attachment in blocks, since it can
//! be larger than the memory.

use std::io::{self, BufReader, Read, Seek, SeekFrom};

use mcap::records::{AttachmentHeader, Metadata, op};

use super::record;
use super::segment::{RECORD_HEAD_BYTES, read_u32, read_u64};
use crate::kept::Extra;

/// An attachment whose data is still to be read.
pub(super) struct OpenAttachment {
    pub header: AttachmentHeader,
    pub data_bytes: u64,
    pub data: Box<dyn Read>,
}

impl Extra {
    fn body(&self, opcode: u8) -> io::Result<impl Read + 'static> {
        let mut file = BufReader::new(std::fs::File::open(&self.file.path)?);
        file.seek(SeekFrom::Start(self.offset))?;
        let mut found = [0];
        file.read_exact(&mut found)?;
        let length = read_u64(&mut file)?;
        if found != [opcode] || length.checked_add(RECORD_HEAD_BYTES) != Some(self.length) {
            return Err(invalid("the index points at another record"));
        }
        Ok(file.take(length))
    }

    pub(crate) fn metadata(&self) -> io::Result<Metadata> {
        const LARGEST_BYTES: u64 = 64 << 20;
        if self.length > LARGEST_BYTES {
            return Err(invalid("the metadata record is larger than 64 MiB"));
        }
        let mut body = Vec::new();
        self.body(op::METADATA)?.read_to_end(&mut body)?;
        match record::parse(op::METADATA, &body) {
            Ok(mcap::records::Record::Metadata(metadata)) => Ok(metadata),
            Ok(_) => Err(invalid("the record is no metadata")),
            Err(error) => Err(invalid(&error.to_string())),
        }
    }

    pub(super) fn attachment(&self) -> io::Result<OpenAttachment> {
        const CHECKSUM_BYTES: u64 = 4;
        let mut body = self.body(op::ATTACHMENT)?;
        let log_time = read_u64(&mut body)?;
        let create_time = read_u64(&mut body)?;
        let name = read_string(&mut body)?;
        let media_type = read_string(&mut body)?;
        let data_bytes = read_u64(&mut body)?;
        let head_bytes = 8 + 8 + 4 + name.len() + 4 + media_type.len() + 8;
        let expected =
            (head_bytes as u64 + CHECKSUM_BYTES + RECORD_HEAD_BYTES).checked_add(data_bytes);
        if expected != Some(self.length) {
            return Err(invalid(
                "the lengths in the attachment contradict each other",
            ));
        }
        Ok(OpenAttachment {
            header: AttachmentHeader {
                log_time,
                create_time,
                name,
                media_type,
            },
            data_bytes,
            data: Box::new(body.take(data_bytes)),
        })
    }
}

fn read_string(bytes: &mut impl Read) -> io::Result<String> {
    let length = read_u32(bytes)?;
    let mut text = Vec::new();
    bytes.take(length.into()).read_to_end(&mut text)?;
    if text.len() as u64 != u64::from(length) {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    String::from_utf8(text).map_err(|_| invalid("a name is not UTF-8"))
}

fn invalid(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}
