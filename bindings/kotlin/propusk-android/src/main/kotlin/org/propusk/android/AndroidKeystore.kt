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
    fun find(): SecretKey?

    fun create(): SecretKey

    fun delete()
}

internal class AndroidKeystore(private val alias: String) : SealingKeys {
    override fun find(): SecretKey? = keyStore().getKey(alias, null) as SecretKey?

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

    private fun keyStore(): KeyStore = KeyStore.getInstance(PROVIDER).apply { load(null) }
}
