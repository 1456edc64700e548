// Keys of the Android Keystore that seal the keys of vaults.
package org.propusk.android

import android.security.keystore.KeyGenParameterSpec
import android.security.keystore.KeyProperties
import java.security.KeyStore
import javax.crypto.KeyGenerator
import javax.crypto.SecretKey

private const val PROVIDER = "AndroidKeyStore"

/** A key that seals other keys. */
internal interface SealingKeys {
    /** `null` only if the Keystore is certain to have no such key. It throws if the Keystore does not answer. */
    fun find(): SecretKey?

    fun create(): SecretKey

    fun delete()
}

internal class AndroidKeystore(private val alias: String) : SealingKeys {
    /**
     * Up to Android 11, every query answers "no such key" if the Keystore's daemon does not answer; only changes report
     * that. So a key is missing only if the daemon has answered before and after the query.
     */
    override fun find(): SecretKey? = keyStore().run {
        key() ?: run {
            checkService()
            key().also { checkService() }
        }
    }

    override fun create(): SecretKey {
        val purposes = KeyProperties.PURPOSE_ENCRYPT or KeyProperties.PURPOSE_DECRYPT
        val spec = KeyGenParameterSpec.Builder(alias, purposes)
            .setBlockModes(KeyProperties.BLOCK_MODE_GCM)
            .setEncryptionPaddings(KeyProperties.ENCRYPTION_PADDING_NONE)
            .setKeySize(256)
            .build()
        return KeyGenerator.getInstance(KeyProperties.KEY_ALGORITHM_AES, PROVIDER).apply { init(spec) }.generateKey()
    }

    override fun delete() = keyStore().deleteEntry(alias)

    private fun KeyStore.key() = getKey(alias, null) as SecretKey?

    /** Removes a key that does not exist, which fails if the Keystore does not answer. No vault's name has a slash. */
    private fun KeyStore.checkService() = deleteEntry("$alias/probe")

    private fun keyStore(): KeyStore = KeyStore.getInstance(PROVIDER).apply { load(null) }
}
