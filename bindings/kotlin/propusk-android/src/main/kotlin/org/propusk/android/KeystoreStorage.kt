// The key of a vault on Android: a file, sealed by a key that never leaves the Android Keystore.
package org.propusk.android

import android.content.Context
import android.os.UserManager
import android.security.keystore.KeyPermanentlyInvalidatedException
import java.io.File
import java.io.FileNotFoundException
import java.io.FileOutputStream
import javax.crypto.AEADBadTagException
import javax.crypto.Cipher
import javax.crypto.spec.GCMParameterSpec
import org.propusk.SecureStorage
import org.propusk.SecureStorageException

private const val TRANSFORMATION = "AES/GCM/NoPadding"
private const val FORMAT: Byte = 1
private const val NONCE_BYTES = 12
private const val TAG_BITS = 128

/**
 * Keeps the key of a vault in [file], sealed by a key of the Android Keystore. That key needs no unlocking by the user,
 * so that a WorkManager job can use the session.
 */
public class KeystoreStorage internal constructor(
    private val file: File,
    private val keys: SealingKeys,
    private val isUserUnlocked: () -> Boolean,
) : SecureStorage {
    /** [name] distinguishes the vaults of an app. */
    public constructor(context: Context, name: String = DEFAULT_NAME) : this(
        File(vaultFolder(context), "$name.key"),
        AndroidKeystore("org.propusk.$name"),
        { context.getSystemService(UserManager::class.java)?.isUserUnlocked ?: true },
    )

    override fun load(): ByteArray? {
        // Before the first unlock since the start of the device, the file seems to be missing.
        if (!isUserUnlocked()) throw SecureStorageException.Locked("the device was not unlocked yet")
        val sealed = try {
            file.readBytes()
        } catch (_: FileNotFoundException) {
            return null
        }
        return available { open(sealed) }
    }

    override fun save(key: ByteArray) {
        if (!isUserUnlocked()) throw SecureStorageException.Locked("the device was not unlocked yet")
        val sealed = available { seal(key) }
        file.parentFile?.mkdirs()
        val written = File(file.path + ".new")
        FileOutputStream(written).use {
            it.write(sealed)
            it.fd.sync()
        }
        if (!written.renameTo(file)) throw SecureStorageException.Locked("the file of the key cannot be replaced")
    }

    override fun remove() {
        if (!file.delete() && file.exists()) throw SecureStorageException.Locked("the file of the key cannot be removed")
        available { keys.delete() }
    }

    private fun seal(key: ByteArray): ByteArray {
        // The Keystore chooses the nonce.
        val cipher = Cipher.getInstance(TRANSFORMATION)
        cipher.init(Cipher.ENCRYPT_MODE, keys.find() ?: keys.create())
        return byteArrayOf(FORMAT) + cipher.iv + cipher.doFinal(key)
    }

    /** `null` if the key in the file is lost: its sealing key is gone or is another one, as after a restored backup. */
    private fun open(sealed: ByteArray): ByteArray? {
        val body = 1 + NONCE_BYTES
        if (sealed.size <= body || sealed[0] != FORMAT) return null
        val key = keys.find() ?: return null
        val cipher = Cipher.getInstance(TRANSFORMATION)
        return try {
            cipher.init(Cipher.DECRYPT_MODE, key, GCMParameterSpec(TAG_BITS, sealed, 1, NONCE_BYTES))
            cipher.doFinal(sealed, body, sealed.size - body)
        } catch (_: AEADBadTagException) {
            null
        } catch (_: KeyPermanentlyInvalidatedException) {
            null
        }
    }

    /** The Keystore is a service: any other failure may be over at the next attempt, and must not lose the vault. */
    private inline fun <T> available(block: () -> T): T =
        try {
            block()
        } catch (error: Exception) {
            throw SecureStorageException.Locked("the Android Keystore fails: ${error.javaClass.name}", error)
        }
}
