package dev.isthmus.engine.api;

import dev.isthmus.engine.model.LayerProbe;
import dev.isthmus.engine.sampling.Hypotheses;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/**
 * Hypotheses in sessions, one each. A hypothesis goes on in its parent's session where no other has taken that, else in
 * a free one, which goes back to what both have in common and reads the rest.
 */
final class SessionHypotheses implements Hypotheses, AutoCloseable {

    private final Model model;
    private final LayerProbe probe;
    private final List<Session> opened = new ArrayList<>();
    /** The texts, and the session that has read each; the prompt's at first has read nothing. */
    private List<int[]> texts;
    private List<Session> sessions;

    SessionHypotheses(Model model, int[] prompt, LayerProbe probe) {
        this.model = model;
        this.probe = probe;
        texts = List.of(prompt);
        sessions = List.of(open());
    }

    @Override
    public float[][] advance(int[] parents, int[] tokens) {
        List<Session> free = new ArrayList<>(opened);
        Session[] chosen = new Session[parents.length];
        for (int i = 0; i < parents.length; i++) {
            Session parent = sessions.get(parents[i]);
            chosen[i] = free.remove(parent) ? parent : null;
        }
        List<int[]> continued = new ArrayList<>();
        float[][] logits = new float[parents.length][];
        for (int i = 0; i < parents.length; i++) {
            if (chosen[i] == null) {
                chosen[i] = free.isEmpty() ? open() : free.removeLast();
            }
            int[] before = texts.get(parents[i]);
            int[] text = Arrays.copyOf(before, before.length + 1);
            text[before.length] = tokens[i];
            continued.add(text);
            logits[i] = read(chosen[i], text);
        }
        texts = continued;
        sessions = List.of(chosen);
        return logits;
    }

    private float[] read(Session session, int[] text) {
        int common = Arrays.mismatch(session.tokens(), text);
        session.rewind(common);
        int[] rest = Arrays.copyOfRange(text, common, text.length);
        float[][] last = new float[1][];
        session.appendFrom(rest, rest.length - 1, (position, row) -> last[0] = row.clone(), probe);
        return last[0];
    }

    private Session open() {
        Session session = model.newSession();
        opened.add(session);
        return session;
    }

    @Override
    public void close() {
        opened.forEach(Session::close);
    }
}
