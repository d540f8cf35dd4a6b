import type * as en from './en';

type PluralForm = Intl.LDMLPluralRule;

/** The messages of English, with the plural forms of another language. */
type Texts<English, Forms extends PluralForm> = {
  [
    Key in keyof English as Key extends `${infer Base}_${PluralForm}` ? `${Base}_${Forms}` : Key
  ]: English[Key] extends string ? string : Texts<English[Key], Forms>;
};

/** Lets no key in that is not wanted. */
type NothingElse<Given, Wanted> = {
  [Key in keyof Given]: Key extends keyof Wanted
    ? Given[Key] extends string
      ? string
      : NothingElse<Given[Key], Wanted[Key]>
    : never;
};

/** A translation has the keys of English, all of them and no other. */
export type Translation<Given, Forms extends PluralForm> = Texts<typeof en, Forms> &
  NothingElse<Given, Texts<typeof en, Forms>>;
