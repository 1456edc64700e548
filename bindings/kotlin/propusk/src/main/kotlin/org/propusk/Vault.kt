// Where credentials are stored.
package org.propusk

import java.io.File
import kotlin.time.Duration
import kotlin.time.Duration.Companion.seconds
import kotlin.time.toJavaDuration
import org.propusk.ffi.Vault as FfiVault
import org.propusk.ffi.generateVaultKey

/** Stores the session: one sealed file, with its key in a key store. One vault belongs to one server. */
public class Vault private constructor(internal val inner: FfiVault) {
    override fun toString(): String = "Vault"

    public companion object {
        /** A vault in memory; it ends with the process. */
        public fun memory(): Vault = Vault(FfiVault.memory())

        /**
         * The file `<service>.vault` in this folder, with its key in the system's key store under the same name: Secret
         * Service on Linux, the keychain on macOS, the Credential Manager on Windows. [service] is the app's own name,
         * such as `org.example.app`. [allowKeyFile] allows a key file next to the vault if the system has no key store.
         *
         * For desktops; on Android it fails with [PropuskException.Usage].
         */
        public fun keyring(service: String, folder: File, allowKeyFile: Boolean = false): Vault =
            Vault(translated { FfiVault.keyring(service, folder.path, allowKeyFile) })

        /** A file whose 32 random bytes of key the app provides, such as those of [generateKey]: for servers and tests. */
        public fun file(path: File, key: ByteArray): Vault = Vault(translated { FfiVault.file(path.path, key) })

        /** A file whose key is in a store that the app provides. [timeout] limits how long to wait for the store. */
        public fun secureStorage(path: File, storage: SecureStorage, timeout: Duration = 10.seconds): Vault =
            Vault(FfiVault.secureStorage(path.path, StorageAdapter(storage), timeout.toJavaDuration()))

        /** 32 random bytes, for [file]. */
        public fun generateKey(): ByteArray = translated(::generateVaultKey)
    }
}
