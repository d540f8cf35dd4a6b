import { mount } from 'svelte';
import OneTimePage from './lib/one-time/OneTimePage.svelte';
import { keepPage } from './lib/window/keepPage';
import './fonts.css';
import './app.css';

const target = document.getElementById('app');
if (!target) throw new Error('one-time.html has no #app');

keepPage();

mount(OneTimePage, { target });
