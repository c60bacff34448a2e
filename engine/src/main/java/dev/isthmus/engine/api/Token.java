package dev.isthmus.engine.api;

/**
 * One generated token.
 *
 * @param id its id
 * @param text the text that it completes: whole characters only, so possibly empty or more than the token's own;
 *     always empty where the model has no tokenizer
 */
public record Token(int id, String text) {}
