package dev.isthmus.engine.sampling;

/**
 * Which tokens may be drawn, as Hugging Face transformers' warpers of the same names say, applied in this order.
 *
 * @param topK how many of the largest logits stay, ≥ 0, and all that equal the last of them; 0 for all
 * @param topP how much of the probability stays, in (0, 1]: the least likely tokens that together have at most 1 − p
 *     go, of equal ones the higher ids first; 1 for all
 * @param minP the least probability that stays, as a part of the largest probability, in [0, 1]; 0 for all
 * @param typicalP how much of the probability of the tokens stays whose surprise is nearest to the entropy, in (0, 1];
 *     1 for all (Meister et al., "Locally typical sampling", 2022)
 */
public record Truncation(int topK, double topP, double minP, double typicalP) {

    /** All tokens. */
    public static final Truncation NONE = new Truncation(0, 1, 0, 1);
}
