// Uses `KeychainStorage` with the keychain in memory. It is compiled with the files of the package.

import Foundation

let storage = KeychainStorage(service: "org.example.app")
let shared = KeychainStorage(service: "org.example.app", accessGroup: "group.org.example")

try expect(nil, in: storage)
for key in [Data("first".utf8), Data("second".utf8)] {
    try storage.save(key)
    try expect(key, in: storage)
}
try expect(nil, in: shared)
try storage.remove()
try storage.remove()
try expect(nil, in: storage)

func expect(_ key: Data?, in storage: KeychainStorage) throws {
    let found = try storage.load()
    precondition(found == key)
}
