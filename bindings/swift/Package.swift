// swift-tools-version:5.9
// The Swift package of Propusk. `Propusk` is written by hand and is what apps import; `PropuskFFI` is
// generated, over the C functions of the library in `PropuskFFIC`.
import PackageDescription

// On Linux the header and the library that `bindings/swift/build` has made, on Apple systems the
// XCFramework that `bindings/swift/build-xcframework` has made.
#if os(Linux)
let library = Target.systemLibrary(name: "PropuskFFIC")
#else
let library = Target.binaryTarget(name: "PropuskFFIC", path: "PropuskFFIC.xcframework")
#endif

let package = Package(
    name: "Propusk",
    platforms: [.iOS(.v15), .macOS(.v12)],
    products: [.library(name: "Propusk", targets: ["Propusk"])],
    targets: [
        library,
        .target(
            name: "PropuskFFI",
            dependencies: ["PropuskFFIC"],
            linkerSettings: [
                .linkedLibrary("propusk_ffi", .when(platforms: [.linux])),
                .linkedFramework("Security", .when(platforms: [.iOS, .macOS])),
                .linkedFramework("SystemConfiguration", .when(platforms: [.iOS, .macOS])),
            ]
        ),
        .target(name: "Propusk", dependencies: ["PropuskFFI"]),
        .testTarget(name: "PropuskTests", dependencies: ["Propusk", "PropuskFFI"]),
    ],
    // The generated code does not compile in the mode of Swift 6.
    swiftLanguageVersions: [.v5]
)
