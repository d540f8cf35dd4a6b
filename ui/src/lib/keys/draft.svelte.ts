import { t } from '../i18n/index.svelte';
import type { Failure, Scope } from '../ipc';
import { nameProblem } from './name';
import { refusedField } from './refusal';
import { inOrder, suggested, type Choice } from './scopes';

type Field = 'name' | 'scopes';

/** What is typed into the Create Key dialog, and what is wrong with it. */
export class Draft {
  name = $state('');
  scopes = $state<Scope[]>([]);
  /** Errors appear once somebody tried to create the key, and then keep in step with the typing. */
  #checked = $state(false);
  #refused = $state.raw<{ field: Field; text: string } | null>(null);
  /** What a suggestion filled in, and the next one may replace. */
  #filled: Choice = { name: '', scopes: [] };

  get trimmedName(): string {
    return this.name.trim();
  }

  get orderedScopes(): Scope[] {
    return inOrder(this.scopes);
  }

  get nameError(): string | null {
    const problem = nameProblem(this.name);
    // A key typed as a name is pointed out at once: the sooner it is taken away, the better.
    if (problem && (this.#checked || problem === 'containsKey')) return t(`createKey.nameProblems.${problem}`);
    return this.#refused?.field === 'name' ? this.#refused.text : null;
  }

  get scopesError(): string | null {
    if (this.#checked && this.scopes.length === 0) return t('createKey.noScope');
    return this.#refused?.field === 'scopes' ? this.#refused.text : null;
  }

  /** Shows all errors and names the first wrong field. */
  check(): Field | null {
    this.#checked = true;
    this.#refused = null;
    if (this.nameError !== null) return 'name';
    return this.scopesError === null ? null : 'scopes';
  }

  /** Shows the service's objection at the field that it names, and says which that is. */
  refuse(failure: Failure): Field | null {
    this.#refused = refusedField(failure);
    return this.#refused?.field ?? null;
  }

  fill(suggestion: Choice): void {
    const { chosen, filled } = suggested(this, this.#filled, suggestion);
    this.name = chosen.name;
    this.scopes = [...chosen.scopes];
    this.#filled = filled;
    this.#refused = null;
  }
}
