//! The rounds of the compression function, which are the same in vectors of any length.

#![forbid(unsafe_code)]

/// Mixes eight vectors: two of each quarter of a row or column, first the columns of BLAKE2b's
/// matrix, then its diagonals. `exchange` exchanges the two halves of what shares a vector.
macro_rules! rounds {
    ($feature:literal, $vector:ty, $($round:ident = $exchange:ident),*) => {
        #[inline]
        #[target_feature(enable = $feature)]
        fn mix(by: Rotations, [mut a, mut b, mut c, mut d]: [$vector; 4]) -> [$vector; 4] {
            a = add_product(a, b);
            d = rotate_32(xor(d, a));
            c = add_product(c, d);
            b = rotate_24(by, xor(b, c));
            a = add_product(a, b);
            d = rotate_16(by, xor(d, a));
            c = add_product(c, d);
            b = rotate_63(xor(b, c));
            [a, b, c, d]
        }

        $(
            #[inline]
            #[target_feature(enable = $feature)]
            fn $round(by: Rotations, v: [$vector; 8]) -> [$vector; 8] {
                let [a0, a1, b0, b1, c0, c1, d0, d1] = v;
                let [a0, b0, c0, d0] = mix(by, [a0, b0, c0, d0]);
                let [a1, b1, c1, d1] = mix(by, [a1, b1, c1, d1]);
                // Exchanged are those whose values are known first.
                let [a0, b1, c0, d1] = mix(by, [a0, b1, $exchange(c0), $exchange(d1)]);
                let [a1, b0, c1, d0] = mix(by, [$exchange(a1), b0, c1, $exchange(d0)]);
                [a0, $exchange(a1), b0, b1, $exchange(c0), c1, $exchange(d0), $exchange(d1)]
            }
        )*
    };
}
