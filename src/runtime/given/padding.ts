/**
 * What to do with a mask of the keys, [batch, keyLength], as Hugging Face calls `attention_mask`: of dtype, or null for an array.
 */
export function paddingCure(dtype: string | null, queryLength: number, keyLength: number): string {
  const first =
    dtype === null ? 'make an int32 tensor of it and ' : dtype === 'int32' ? '' : "take mask = tf.cast(mask, 'int32') and ";
  const query = queryLength === keyLength ? 'mask' : `tf.ones([batch, ${queryLength}], 'int32')`;
  return (
    `Of an attention_mask ${first}pass keyLengths: tf.sum(mask, 1) where the padding is at the right, ` +
    `segmentIds: {query: ${query}, key: mask} where it is at the left.`
  );
}
