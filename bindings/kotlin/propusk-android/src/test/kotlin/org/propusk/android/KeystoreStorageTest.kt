// The key of a vault on Android, with a Keystore in memory.
package org.propusk.android

import java.io.File
import java.security.KeyStoreException
import java.security.ProviderException
import java.security.UnrecoverableKeyException
import javax.crypto.KeyGenerator
import javax.crypto.SecretKey
import org.junit.jupiter.api.Assertions.assertArrayEquals
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertFalse
import org.junit.jupiter.api.Assertions.assertNull
import org.junit.jupiter.api.Assertions.assertThrows
import org.junit.jupiter.api.Test
import org.junit.jupiter.api.io.TempDir
import org.propusk.SecureStorageException

internal class FakeKeystore : SealingKeys {
    var key: SecretKey? = null
    var failure: Exception? = null

    override fun find(): SecretKey? = failure?.let { throw it } ?: key

    override fun create(): SecretKey = KeyGenerator.getInstance("AES").apply { init(256) }.generateKey().also { key = it }

    override fun delete() {
        key = null
    }
}

class KeystoreStorageTest {
    @TempDir
    lateinit var folder: File

    private val keystore = FakeKeystore()
    private var isUnlocked = true
    private val file by lazy { File(folder, "propusk/session.key") }
    private val storage by lazy { KeystoreStorage(file, keystore) { isUnlocked } }
    private val key = ByteArray(32) { it.toByte() }

    @Test
    fun `key is the same after a restart`() {
        assertNull(storage.load())
        storage.save(key)
        assertArrayEquals(key, KeystoreStorage(file, keystore) { true }.load())
    }

    @Test
    fun `key is not readable in the file`() {
        storage.save(key)
        val text = file.readBytes().toString(Charsets.ISO_8859_1)
        assertFalse(text.contains(key.copyOf(8).toString(Charsets.ISO_8859_1)))
        assertEquals(listOf("session.key"), file.parentFile.list()!!.toList())
    }

    @Test
    fun `key is sealed anew with another nonce each time`() {
        storage.save(key)
        val first = file.readBytes()
        storage.save(key)
        assertFalse(first.contentEquals(file.readBytes()))
        assertArrayEquals(key, storage.load())
    }

    @Test
    fun `key is lost when the Keystore has another one or none, as after a restored backup`() {
        storage.save(key)
        keystore.create()
        assertNull(storage.load())
        keystore.delete()
        assertNull(storage.load())
    }

    @Test
    fun `damaged file is a lost key`() {
        storage.save(key)
        val whole = file.readBytes()
        for (damaged in listOf(ByteArray(0), whole.copyOf(5), whole.copyOf(whole.size - 1), byteArrayOf(9) + whole)) {
            file.writeBytes(damaged)
            assertNull(storage.load())
        }
    }

    @Test
    fun `failing Keystore is locked, not lost`() {
        storage.save(key)
        val failures = listOf(
            ProviderException("Keystore operation failed"),
            // Its service fails.
            UnrecoverableKeyException("Failed to obtain information about key")
                .apply { initCause(KeyStoreException("-4")) },
            UnrecoverableKeyException("Failed to obtain information about key"),
        )
        for (failure in failures) {
            keystore.failure = failure
            assertThrows(SecureStorageException.Locked::class.java) { storage.load() }
            assertThrows(SecureStorageException.Locked::class.java) { storage.save(key) }
        }
        keystore.failure = null
        assertArrayEquals(key, storage.load())
    }

    @Test
    fun `device before its first unlock is locked, although the file seems to be missing`() {
        isUnlocked = false
        assertThrows(SecureStorageException.Locked::class.java) { storage.load() }
        assertThrows(SecureStorageException.Locked::class.java) { storage.save(key) }
    }

    @Test
    fun `removed key is gone from the file and from the Keystore`() {
        storage.save(key)
        storage.remove()
        assertNull(storage.load())
        assertNull(keystore.key)
        storage.remove()
    }
}
