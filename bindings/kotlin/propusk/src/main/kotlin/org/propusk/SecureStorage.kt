// The app's own store for the key of a vault, such as Android's Keystore.
package org.propusk

import org.propusk.ffi.SecureStorage as FfiSecureStorage
import org.propusk.ffi.SecureStorageException as FfiException

/**
 * Stores the 32 bytes of a vault's key. The calls may block and may show a dialog: they come from a thread of the SDK,
 * one at a time. Whatever they throw means that the store cannot be used now.
 */
public interface SecureStorage {
    /** The key; `null` only if the store is certain to have none: the vault is then lost. */
    public fun load(): ByteArray?

    /** Saves the key and replaces the previous one. */
    public fun save(key: ByteArray)

    /** Removes the key, if there is one. */
    public fun remove()
}

/** Why a store cannot load or save a key. The message is for a log and must not contain the key. */
public sealed class SecureStorageException(message: String, cause: Throwable?) : Exception(message, cause) {
    /** It is locked or the user refused: it may work later. */
    public class Locked(message: String, cause: Throwable? = null) : SecureStorageException(message, cause)

    /** The system has no such store. */
    public class NoStore(message: String, cause: Throwable? = null) : SecureStorageException(message, cause)
}

internal class StorageAdapter(private val storage: SecureStorage) : FfiSecureStorage {
    override fun load(): ByteArray? = reported { storage.load() }

    override fun save(key: ByteArray) = reported { storage.save(key) }

    override fun remove() = reported { storage.remove() }

    /**
     * Anything else is reported by its class alone, because its message may contain the key. An [Error] too: JNA would
     * print it and report a success.
     */
    private inline fun <T> reported(block: () -> T): T =
        try {
            block()
        } catch (error: SecureStorageException) {
            val message = error.message.orEmpty()
            throw when (error) {
                is SecureStorageException.Locked -> FfiException.Locked(message)
                is SecureStorageException.NoStore -> FfiException.NoStore(message)
            }
        } catch (error: Throwable) {
            throw FfiException.Failed(error.javaClass.name)
        }
}
