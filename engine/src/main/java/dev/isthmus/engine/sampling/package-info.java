/**
 * From logits to the next token: penalties, filters, draws with a seed, stop strings and beam search, in the order
 * and with the results of transformers' generate. Nothing here runs a model or knows a session.
 */
package dev.isthmus.engine.sampling;
