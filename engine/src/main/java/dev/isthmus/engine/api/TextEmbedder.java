package dev.isthmus.engine.api;

/** Makes one vector of the final layer norm's outputs. */
final class TextEmbedder implements ForwardObserver {

    private final int boundary;
    private final Pooling pooling;
    private final double[] sum;
    private int summands;

    private TextEmbedder(Model model, Pooling pooling) {
        boundary = model.config().layers() + 1;
        this.pooling = pooling;
        sum = new double[model.config().channels()];
    }

    static float[] embed(Model model, int[] ids, Pooling pooling) {
        TextEmbedder embedder = new TextEmbedder(model, pooling);
        try (Session session = model.newSession()) {
            session.append(ids, embedder);
        }
        float[] mean = new float[embedder.sum.length];
        for (int c = 0; c < mean.length; c++) {
            mean[c] = (float) (embedder.sum[c] / embedder.summands);
        }
        return mean;
    }

    @Override
    public boolean wantsHiddenState(int boundary) {
        return boundary == this.boundary;
    }

    @Override
    public void hiddenState(int boundary, int position, double[] values) {
        if (pooling == Pooling.LAST) {
            System.arraycopy(values, 0, sum, 0, sum.length);
            summands = 1;
            return;
        }
        for (int c = 0; c < sum.length; c++) {
            sum[c] += values[c];
        }
        summands++;
    }
}
