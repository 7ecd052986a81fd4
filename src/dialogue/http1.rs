pub(super) type Http1 = super::opaque::Opaque;
