/** The activations that the products of all backends apply in passing, as TensorFlow.js calls them; graphs write them with a capital. */
export const DENSE_ACTIVATIONS = ['linear', 'relu', 'relu6', 'elu', 'sigmoid'] as const;
export type DenseActivation = (typeof DENSE_ACTIVATIONS)[number];
