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

/// The default of its type.
#[inline]
pub(in crate::flow) fn is_usual<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// Packs a struct of which many fields are their types' defaults: bits say which ones are not. All of its fields have to be named.
macro_rules! packed_sparsely {
    ($name:ident { $($field:ident),+ $(,)? }) => {
        impl $crate::flow::Packed for $name {
            fn pack(&self, into: &mut $crate::flow::Packer) {
                let Self { $($field),+ } = self;
                let mut unusual = 0_u64;
                let mut bit = 1_u64;
                $(
                    if !$crate::flow::packing::is_usual($field) {
                        unusual |= bit;
                    }
                    bit <<= 1;
                )+
                unusual.pack(into);
                $(
                    if unusual & 1 != 0 {
                        $crate::flow::Packed::pack_unusual($field, into);
                    }
                    unusual >>= 1;
                )+
                debug_assert_eq!((unusual, bit.count_ones()), (0, 1), "a bit for each field");
            }

            fn unpack(from: &mut $crate::flow::Unpacker<'_>) -> Self {
                let mut unusual = u64::unpack(from);
                let mut is_unusual = || {
                    let is = unusual & 1 != 0;
                    unusual >>= 1;
                    is
                };
                Self {
                    $($field: match is_unusual() {
                        true => $crate::flow::Packed::unpack_unusual(from),
                        false => Default::default(),
                    }),+
                }
            }
        }
    };
}
pub(crate) use packed_sparsely;

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
