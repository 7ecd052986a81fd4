//! Structs and names, packed by listing them.

/// Packs a struct field by field. All of its fields have to be named.
macro_rules! packed {
    ($name:ident { $($field:ident),+ $(,)? }) => {
        impl $crate::flow::Packed for $name {
            #[inline]
            fn pack(&self, into: &mut $crate::flow::Packer) {
                let Self { $($field),+ } = self;
                $($crate::flow::Packed::pack($field, into);)+
            }

            #[inline]
            fn unpack(from: &mut $crate::flow::Unpacker<'_>) -> Self {
                Self { $($field: $crate::flow::Packed::unpack(from)),+ }
            }
        }
    };
}
pub(crate) use packed;

/// Packs an enum of names by their place in a list. All of them have to be named, in the order of their declaration.
macro_rules! packed_names {
    ($name:ident { $($variant:ident),+ $(,)? }) => {
        impl $crate::flow::Packed for $name {
            #[inline]
            fn pack(&self, into: &mut $crate::flow::Packer) {
                into.array([*self as u8]);
            }

            #[inline]
            fn unpack(from: &mut $crate::flow::Unpacker<'_>) -> Self {
                const NAMES: &[$name] = &[$($name::$variant),+];
                // A name that is missing above does not compile here.
                const fn _all(name: $name) {
                    match name { $($name::$variant => ()),+ }
                }
                NAMES.get(usize::from(from.array::<1>()[0])).copied().unwrap_or(NAMES[0])
            }
        }
    };
}
pub(crate) use packed_names;
