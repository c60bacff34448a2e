package dev.isthmus.engine.api;

import dev.isthmus.engine.errors.InvalidInputException;
import dev.isthmus.engine.model.LayerProbe;
import dev.isthmus.engine.sampling.LogProbabilities;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/** Scores texts by a window that slides over them. */
final class Scorer {

    private Scorer() {}

    /** The progress listener may write into {@code text} without changing what is scored. */
    static Score score(Model model, int[] text, int stride, ProgressListener progress) {
        int[] ids = text.clone();
        int context = model.config().context();
        if (ids.length < 2) {
            throw new InvalidInputException("score: at least two tokens are needed, since the first is not predicted; "
                    + "found " + ids.length);
        }
        if (stride < 1 || stride > context) {
            throw new InvalidInputException("score: the stride must be in 1.." + context
                    + ", the model's context; found " + stride);
        }
        // The last token of a window is predicted and never read, so the forward pass does not check it.
        for (int i = 0; i < ids.length; i++) {
            model.loaded().forward().checkToken(ids[i], i);
        }
        double[] logprobs = new double[ids.length - 1];
        int[] count = {0};
        List<Score.Window> windows = new ArrayList<>();
        LogProbabilities logProbabilities = new LogProbabilities();
        try (Session session = model.newSession()) {
            int scored = 1;
            for (int begin = 0; scored < ids.length; begin += stride) {
                int end = Math.min(begin + context, ids.length);
                int from = begin;
                int first = Math.max(scored, begin + 1);
                if (first < end) {
                    windows.add(new Score.Window(begin, first, end));
                    session.rewind(0);
                    session.appendFrom(Arrays.copyOfRange(ids, begin, end - 1), first - 1 - begin,
                            (position, logits) -> {
                                int target = from + position + 1;
                                logprobs[count[0]++] = logits[ids[target]] - logProbabilities.logSumExp(logits);
                                progress.update(target + 1L, ids.length);
                            }, LayerProbe.NONE);
                }
                scored = end;
            }
        }
        double[] found = Arrays.copyOf(logprobs, count[0]);
        return new Score(ids.length, -Arrays.stream(found).average().orElse(Double.NaN), found, windows);
    }
}
