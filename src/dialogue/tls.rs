pub(super) type Tls = super::opaque::Opaque;
