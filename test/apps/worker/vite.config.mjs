// TensorFlow.js has 3 MB.
export default {base: './', build: {chunkSizeWarningLimit: 4000}};
